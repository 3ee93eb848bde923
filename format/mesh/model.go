// Package mesh holds triangles, whatever file they came from, and what can be measured of them and drawn.
//
// It promises: positions are those of the file, in its units and axes.
package mesh

// Model is what a file of meshes shows.
type Model struct {
	Objects   []Object
	Materials []Material
	Unit      float64 // metres; 0: the file does not say
	Up        byte    // 'X', 'Y' or 'Z'; 0: the file does not say
}

// Object is a mesh at a place. One mesh may be at several.
type Object struct {
	ID        string // of the element in the file
	Name      string
	Mesh      *Mesh
	Transform Matrix // to the world
}

// Matrix is affine, in columns: x' = m[0]x + m[4]y + m[8]z + m[12].
type Matrix [16]float64

// Identity leaves points where they are.
func Identity() Matrix { return Matrix{0: 1, 5: 1, 10: 1, 15: 1} }

// Mesh is triangles over vertices. Slices other than Positions and Triangles are nil or as long as Positions.
type Mesh struct {
	Positions [][3]float64
	Triangles [][3]uint32
	Normals   [][3]float32
	UVs       [][2]float32
	Colors    [][4]float32
	Groups    []Group // of triangles, ascending; nil: no material
	Faces     int     // as the file counts them: a quadrilateral is one; 0: as triangles
	Welded    bool    // no two vertices are at one place, where 0 and -0 are one
}

// Group is a run of triangles of one material.
type Group struct {
	First, Count int
	Material     int // position in Model.Materials; -1: none
}

// Material is what a surface looks like, as far as it is drawn.
type Material struct {
	Name    string
	Color   [4]float32 // linear, straight alpha
	Texture *Texture   // that Color is multiplied with; nil: none
}
