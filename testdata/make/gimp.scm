; A barn, a tree and a caption on the ground, and versions of it, as XCF. The folder is DIR, which is defined before.
(define (file name) (string-append DIR "/" name ".xcf"))
(define (save img name)
  (gimp-xcf-save RUN-NONINTERACTIVE img (car (gimp-image-get-active-layer img)) (file name) name))
(define (layer img name colour x y w h)
  (let ((l (car (gimp-layer-new img w h RGBA-IMAGE name 100 LAYER-MODE-NORMAL))))
    (gimp-image-insert-layer img l 0 0)
    (gimp-layer-set-offsets l x y)
    (gimp-context-set-foreground colour)
    (gimp-drawable-fill l FILL-FOREGROUND)
    l))
(define (named img name) (car (gimp-image-get-layer-by-name img name)))
; opens base, edits it, and saves it under another name
(define (version name edit)
  (let ((img (car (gimp-xcf-load RUN-NONINTERACTIVE (file "base") "base"))))
    (edit img)
    (save img name)
    (gimp-image-delete img)))
; fills a rectangle of what is drawn on, in the picture's coordinates
(define (patch img drawable colour x y w h)
  (gimp-image-select-rectangle img CHANNEL-OP-REPLACE x y w h)
  (gimp-context-set-foreground colour)
  (gimp-drawable-edit-fill drawable FILL-FOREGROUND)
  (gimp-selection-none img))

(let ((img (car (gimp-image-new 240 180 RGB))))
  (gimp-image-undo-disable img)
  (layer img "Ground" '(196 180 140) 0 0 240 180)
  (layer img "Barn" '(150 30 30) 30 60 90 80)
  (layer img "Tree" '(30 110 50) 150 40 60 100)
  (layer img "Caption" '(20 20 20) 20 150 120 16)
  (save img "base")
  (gimp-image-delete img))
(version "resaved" (lambda (img) #t))
(version "barn-door" (lambda (img) (patch img (named img "Barn") '(90 60 30) 60 100 20 40)))
(version "props" (lambda (img)
  (gimp-layer-set-opacity (named img "Tree") 60)
  (gimp-layer-set-mode (named img "Tree") LAYER-MODE-MULTIPLY)
  (gimp-item-set-name (named img "Barn") "Red Barn")))
(version "caption-removed" (lambda (img) (gimp-image-remove-layer img (named img "Caption"))))
(version "tree-mask" (lambda (img)
  (let ((mask (car (gimp-layer-create-mask (named img "Tree") ADD-MASK-WHITE))))
    (gimp-layer-add-mask (named img "Tree") mask)
    (patch img mask '(0 0 0) 150 40 30 100))))
(version "barn-moved" (lambda (img) (gimp-layer-set-offsets (named img "Barn") 44 52)))
(version "base-16bit" (lambda (img) (gimp-image-convert-precision img PRECISION-U16-GAMMA)))

; what is told of the layers is what GIMP says that they are
(define (listed . values) (apply string-append (cons "[" (append (cons (number->string (car values)) (map (lambda (v) (string-append ", " (number->string v))) (cdr values))) '("]")))))
(define (described l)
  (string-append "  {\"name\": \"" (car (gimp-item-get-name l))
    "\", \"offset\": " (listed (car (gimp-drawable-offsets l)) (cadr (gimp-drawable-offsets l)))
    ", \"size\": " (listed (car (gimp-drawable-width l)) (car (gimp-drawable-height l)))
    ", \"opacity\": " (number->string (trunc (car (gimp-layer-get-opacity l))))
    ", \"mode\": " (number->string (car (gimp-layer-get-mode l)))
    ", \"tattoo\": " (number->string (car (gimp-item-get-tattoo l))) "}"))
(let* ((img (car (gimp-xcf-load RUN-NONINTERACTIVE (file "base") "base")))
       (all (map described (vector->list (cadr (gimp-image-get-layers img)))))
       (out (open-output-file (string-append DIR "/TRUTH.json"))))
  (for-each (lambda (s) (display s out)) (list
    "{\n \"document\": \"240x180, 8-bit sRGB, format v011 (base-16bit: v012)\",\n \"base layers, top to bottom\": [\n"
    (car all) (apply string-append (map (lambda (s) (string-append ",\n" s)) (cdr all))) "\n ],\n"
    " \"note\": \"each layer carries a tattoo number that stays the same through all these edits: a stable id\",\n"
    " \"edits (each opened from base.xcf)\": {\n"
    "  \"resaved.xcf\": \"no edit: byte-identical to base.xcf\",\n"
    "  \"barn-door.xcf\": {\"changed\": [\"Barn\"], \"pixels\": 800, \"box\": [60, 100, 80, 140]},\n"
    "  \"props.xcf\": {\"Tree\": {\"opacity\": [100, 60], \"mode\": [28, 30]}, \"Barn\": {\"name\": [\"Barn\", \"Red Barn\"]}},\n"
    "  \"caption-removed.xcf\": {\"removed\": [\"Caption\"]},\n"
    "  \"tree-mask.xcf\": {\"Tree\": \"layer mask added: left half (30x100) black, rest white\"},\n"
    "  \"barn-moved.xcf\": {\"Barn\": {\"offset\": [[30, 60], [44, 52]]}},\n"
    "  \"base-16bit.xcf\": \"same picture at 16 bits a channel\"\n }\n}\n"))
  (close-output-port out))
(gimp-quit 0)
