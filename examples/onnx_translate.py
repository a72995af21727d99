"""Translates with onnxruntime alone: `onnx_translate.py model.onnx face.jpg out.png celeba.Blond_Hair`."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, source, target, *wanted = sys.argv[1:]  # the labels to set; other labels are 0
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
wanted += [f"mask.{name.partition('.')[0]}" for name in wanted]  # of each dataset that has one of the labels
labels = np.asarray([[name in wanted for name in json.loads(about["labels"])]], np.float32)
picture = ImageOps.fit(Image.open(source).convert("RGB"), (int(about["image_size"]),) * 2)
images = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
translated = session.run(None, {"images": images, "labels": labels})[0][0]
Image.fromarray(((translated.clip(-1, 1).transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)).save(target)
