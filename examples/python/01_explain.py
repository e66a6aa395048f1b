"""Where does a network look? A model, a photo, a map."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
photo = sys.argv[2]
for p in model.predict(photo, top=3):
    print(f"{p.probability:.3f}  {p.label}")

why = vt.explain(model, photo, "gradcam")
row, column = divmod(int(why.map.argmax()), why.map.shape[1])
print(f"{why.name} of {why.target.title}: strongest at row {row}, column {column}")
