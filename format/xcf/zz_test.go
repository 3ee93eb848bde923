package xcf
import ("testing";"os";"fmt";"image/png";"image/color";"varve/format";"varve/format/raster")
func TestZZ(t *testing.T) {
 for m:=0;m<64;m++ {
  n:=fmt.Sprintf("/tmp/exrh/m%d",m)
  b,err:=os.ReadFile(n+".xcf"); if err!=nil {continue}
  f,err:=os.Open(n+".png"); if err!=nil {continue}
  want,err:=png.Decode(f); if err!=nil {t.Fatal(err)}
  got,err:=format.Decode(t.Context(),Format{},format.Bytes(b)); if err!=nil {t.Error(err);continue}
  worst,bad:=0,0; first:=""
  for y:=0;y<got.Height;y++{for x:=0;x<got.Width;x++{
   w:=color.NRGBAModel.Convert(want.At(x,y)).(color.NRGBA); g:=got.U8[(y*got.Width+x)*4:]
   if w.A==0&&g[3]==0 {continue}
   d:=0; for c,v:=range []uint8{w.R,w.G,w.B,w.A}{ e:=int(v)-int(g[c]); if e<0{e=-e}; d=max(d,e)}
   if d>1 {bad++; if first=="" { first=fmt.Sprint(x,y,w,g[:4])}}; worst=max(worst,d)}}
  fmt.Println(m,modeName(uint32(m)),"worst",worst,"bad",bad,first)
 }
 _ = raster.U8
}
