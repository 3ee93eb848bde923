package raster

// A glyph is 5 pixels wide and 9 high, of which the last two are below the line.
const (
	glyphWidth  = 5
	glyphHeight = 9
	advance     = glyphWidth + 1
	lineHeight  = glyphHeight + 2
)

// glyphs are the characters from '!' to '~' and, last, a box for all others: nine digits each, for the rows; the five
// bits of a digit (0 to 9, a to v) are the pixels, from the left.
const glyphs = "" +
	"444440400aaa000000aavavaa004fke5u400pp248jj00cik8lid0044800000024888420084222480004lel4000" +
	"044v44000000004480000e0000000000cc0011248gg00ehjlphe004c4444e00eh1248v00eh161he0026aiv2200" +
	"vgu11he0068guhhe00v12448800ehhehhe00ehhf12c000cc0cc0000cc0c4800248g8420000v0v0000842124800" +
	"eh1240400ehnlngf00ehhvhhh00uhhuhhu00ehggghe00sihhhis00vgguggv00vgguggg00ehgnhhf00hhhvhhh00" +
	"e44444e0072222ic00hikokih00ggggggv00hrllhhh00hppljjh00ehhhhhe00uhhuggg00ehhhlid00uhhukih00" +
	"fgge11u00v44444400hhhhhhe00hhhhha400hhhllrh00hha4ahh00hha444400v1248gv00e88888e00gg8421100" +
	"e22222e004ah0000000000000v084000000000e1fhf00gguhhhu0000eggge0011fhhhf0000ehvge0068u888800" +
	"00fhhhf1eggmphhh0040c444e002062222icggikoki00c44444e0000qllll0000mphhh0000ehhhe0000uhhhugg" +
	"00fhhhf1100moggg0000fge1u0088u88860000hhhjd0000hhha40000hllla0000ha4ah0000hhhhf1e00v248v00" +
	"644844600444444400c44244c00008l20000vhhhhhv00"

// plainLetters stand for the letters from U+00C0 on, which the font draws without accents.
const plainLetters = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYPsaaaaaaaceeeeiiiidnooooo/ouuuuypy"

// glyph returns the digits of a character; "" of a space.
func glyph(r rune) string {
	if r >= 0xc0 && r < 0xc0+rune(len(plainLetters)) {
		r = rune(plainLetters[r-0xc0])
	}
	switch {
	case r == ' ' || r == '\t' || r == 0xa0:
		return ""
	case r <= ' ' || r > '~':
		r = 0x7f
	}
	i := int(r-'!') * glyphHeight
	return glyphs[i : i+glyphHeight]
}

// text draws a line at x, y, each pixel of the font being size pixels wide, on a gray or RGB picture of 8 bits without
// alpha. What does not fit is left out.
func (p *Image) text(x, y, size int, s string, ink [3]uint8) {
	for _, r := range s {
		for gy, digit := range glyph(r) {
			bits := int(digit - '0')
			if digit >= 'a' {
				bits = int(digit-'a') + 10
			}
			for gx := range glyphWidth {
				if bits&(1<<(glyphWidth-1-gx)) == 0 {
					continue
				}
				p.fill(x+gx*size, y+gy*size, x+(gx+1)*size, y+(gy+1)*size, ink)
			}
		}
		x += advance * size
		if x >= p.Width {
			break
		}
	}
}

// fill paints a rectangle, as far as it is inside, on a picture of 8 bits without alpha.
func (p *Image) fill(x0, y0, x1, y1 int, ink [3]uint8) {
	n := p.Channels()
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, p.Width), min(y1, p.Height)
	for y := y0; y < y1; y++ {
		row := p.RowU8(y)
		for x := x0; x < x1; x++ {
			copy(row[x*n:(x+1)*n], ink[:])
		}
	}
}
