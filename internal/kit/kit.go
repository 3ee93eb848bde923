// Package kit lays out a recovery kit: the sheet that opens a vault whose passphrase is lost.
//
// It promises: the text and the picture say the same, and either is enough; the picture's QR code is the
// recovery key as text and nothing else, so that what a camera reads of it can be pasted where a passphrase is
// asked for. It keeps nothing.
package kit

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"rsc.io/qr"
)

// Kit is what a sheet tells.
type Kit struct {
	Key   [2]string // the recovery key, in two lines
	ID    string    // of the key in the vault
	Vault string    // its id
	Place string    // where it is
	Host  string    // the machine that made the sheet
	Made  time.Time
}

// columns is the width of a sheet, in characters.
const columns = 76

// Text returns the sheet as text.
func (k Kit) Text() string {
	return strings.Join(k.lines(), "\n") + "\n\nAs one line, to copy:\n\n    " + k.Key[0] + "-" + k.Key[1] + "\n"
}

func (k Kit) lines() []string {
	out := []string{
		"VARVE RECOVERY KIT",
		"",
		"This sheet opens a vault without its passphrase. Whoever has it and the",
		"vault can read everything that is kept there.",
		"",
		"Keep it on paper, or on a medium of its own, away from the vault and from",
		"the machine that it is made on. Then remove its files here.",
		"",
		"Recovery key    " + k.Key[0],
		"                " + k.Key[1],
		"",
		"Vault           " + k.Vault,
	}
	for i, part := range cut(k.Place, columns-16) {
		head := "                "
		if i == 0 {
			head = "It is at        "
		}
		out = append(out, head+part)
	}
	return append(out,
		"Made            "+k.Made.UTC().Format("2006-01-02 15:04 MST")+cutTo(" on "+k.Host, columns-36),
		"Name of the key "+k.ID,
		"",
		"To open the vault with it",
		"",
		"1. Get varve, which is one program, and the vault, or a copy of it.",
		"2. Type    varve --vault PLACE log --all",
		"   where PLACE is where the vault or the copy is. When it asks for the",
		"   passphrase, type the recovery key, both lines one after the other.",
		"   Dashes, blanks and case do not matter; a typing error is found.",
		"3. Type    varve --vault PLACE restore latest --project NAME --to FOLDER",
		"   for each project that step 2 lists.",
		"4. Type    varve --vault PLACE key protect",
		"   to give the vault a new passphrase.",
		"",
		"To make this sheet worthless",
		"",
		"   varve --vault PLACE key rm "+k.ID,
	)
}

// cut parts a text into lines of n characters.
func cut(s string, n int) []string {
	var out []string
	for utf8.RuneCountInString(s) > n {
		line := cutTo(s, n)
		out = append(out, line)
		s = s[len(line):]
	}
	return append(out, s)
}

// cutTo returns the first n characters.
func cutTo(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// The picture, in points of the font and in pixels.
const (
	glyph  = 7  // points that a character takes
	row    = 15 // points from line to line
	edge   = 24 // points around everything
	zoom   = 3  // pixels a point
	module = 12 // pixels a module of the code
	quiet  = 4  // modules left white around the code
)

// PNG returns the sheet as a picture, with the recovery key as a QR code below the text.
func (k Kit) PNG() ([]byte, error) {
	// M: a quarter of the code may be stained.
	code, err := qr.Encode(k.Key[0]+"-"+k.Key[1], qr.M)
	if err != nil {
		return nil, fmt.Errorf("recovery kit: %w", err)
	}
	lines := append(k.lines(), "", "The recovery key as text, to be read by a camera:")
	small := image.NewGray(image.Rect(0, 0, 2*edge+columns*glyph, edge+len(lines)*row))
	for i := range small.Pix {
		small.Pix[i] = 0xff
	}
	pen := font.Drawer{Dst: small, Src: image.Black, Face: basicfont.Face7x13}
	for i, line := range lines {
		pen.Dot = fixed.P(edge, edge+i*row+basicfont.Face7x13.Ascent)
		pen.DrawString(line)
	}
	side := (code.Size + 2*quiet) * module
	below := small.Rect.Dy() * zoom
	paper := color.Palette{color.White, color.Black}
	page := image.NewPaletted(image.Rect(0, 0, small.Rect.Dx()*zoom, below+side+edge*zoom), paper)
	for y := range below {
		for x := range page.Rect.Dx() {
			if small.GrayAt(x/zoom, y/zoom).Y < 0x80 {
				page.SetColorIndex(x, y, 1)
			}
		}
	}
	for y := range side {
		for x := range side {
			if code.Black(x/module-quiet, y/module-quiet) {
				page.SetColorIndex(edge*zoom+x, below+y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, page); err != nil {
		return nil, fmt.Errorf("recovery kit: %w", err)
	}
	return b.Bytes(), nil
}
