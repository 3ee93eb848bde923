#!/bin/sh
# Makes old.xcf, what GIMP shows of it as old.png, and new.xcf, which is old.xcf with layers removed and changed. GIMP 2.10.
set -e
cd "$(dirname "$0")"
t=$(mktemp -d)
convert -size 70x66 gradient:'#e04020-#2060ff' -depth 8 "PNG24:$t/a.png"
convert -size 50x40 gradient:'#80ff00e0-#00308040' -depth 8 "PNG32:$t/b.png"
cat >"$t/make.scm" <<SCM
(define (layer img file name parent x y)
  (let ((l (car (gimp-file-load-layer RUN-NONINTERACTIVE img (string-append "$t/" file)))))
    (gimp-image-insert-layer img l parent 0) (gimp-item-set-name l name) (gimp-layer-set-offsets l x y) l))
(define (save img name) (gimp-xcf-save RUN-NONINTERACTIVE img (car (gimp-image-get-active-layer img)) (string-append "$PWD/" name) "x"))
(define (group img name parent)
  (let ((g (car (gimp-layer-group-new img)))) (gimp-image-insert-layer img g parent 0) (gimp-item-set-name g name) g))
(let* ((img (car (gimp-file-load RUN-NONINTERACTIVE "$t/a.png" "a.png")))
       (low (group img "Low" 0)) (lone (layer img "b.png" "Lone" low 5 5))
       (g (group img "Group" 0)) (in (layer img "b.png" "Inside" g 10 -7)) (g2 (group img "Inner" g))
       (deep (layer img "b.png" "Deep" g2 30 30)) (top (layer img "b.png" "Top" 0 -20 33))
       (spot (car (gimp-channel-new img 70 66 "Spot" 50 '(255 0 0)))) (way (car (gimp-vectors-new img "Way"))))
  (gimp-layer-set-opacity g 70)
  (gimp-layer-set-mode in 30)
  (gimp-layer-set-opacity deep 50)
  (gimp-layer-add-mask top (car (gimp-layer-create-mask top ADD-MASK-COPY)))
  (gimp-image-insert-channel img spot 0 0)
  (gimp-image-insert-vectors img way 0 0)
  (gimp-vectors-bezier-stroke-new-moveto way 3 4)
  (save img "old.xcf")
  (let* ((two (car (gimp-image-duplicate img))) (m (car (gimp-image-merge-visible-layers two CLIP-TO-IMAGE))))
    (file-png-save RUN-NONINTERACTIVE two m "$PWD/old.png" "x" 0 9 0 0 0 0 0))
  (gimp-image-remove-layer img low)
  (gimp-image-remove-layer img deep)
  (gimp-image-remove-layer img top)
  (gimp-image-remove-channel img spot)
  (gimp-layer-set-offsets in 12 9)
  (gimp-item-set-name in "Inside, moved")
  (layer img "b.png" "Newer" g 0 0)
  (save img "new.xcf"))
(gimp-quit 0)
SCM
gimp -i -d -f -b - <"$t/make.scm" >"$t/log" 2>&1 || { cat "$t/log"; exit 1; }
grep -i error "$t/log" && exit 1
rm -r "$t"
