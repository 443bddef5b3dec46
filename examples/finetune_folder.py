"""Fine-tune a checkpoint on a folder of images with other classes.

FOLDER has train/<class>/*.jpg and val/<class>/*.jpg; CHECKPOINT is a checkpoint of a training run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from alexnet_native import Net
from alexnet_native.data.folder import read_folder

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("checkpoint", help="a .safetensors file with the initial weights")
parser.add_argument("folder", help="a folder with train/<class>/*.jpg and val/<class>/*.jpg")
parser.add_argument("--epochs", type=int, default=5, help="default: %(default)s")
parser.add_argument("--lr", type=float, default=0.001, help="learning rate (default: %(default)s)")
parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
parser.add_argument("--freeze", nargs="*", default=[], help="layers not to train (default: none)")
parser.add_argument("--save", default="finetuned.safetensors", help="default: %(default)s")
args = parser.parse_args()

# Images are larger than the network's input in the ratio of the paper, 256 to 224.
network = Net.load(args.checkpoint).description
data = read_folder(Path(args.folder), resize=network.input_shape[1] * 256 // 224)
if data.val is None:
    parser.error(f"{args.folder} has no val/<class>/ folders; add validation images")
net = Net(network.with_classes(len(data.classes)), seed=0)
settings = {"epochs": args.epochs, "lr": args.lr, "batch_size": args.batch_size}
net.fit(data, init_from=args.checkpoint, freeze=tuple(args.freeze), **settings)

images, labels = data.val.gather(np.arange(len(data.val))), data.val.labels
result = net.evaluate(images, labels, views=10)
print(f"error on {result.images} validation images: {100 * result.top1_error:.1f} %, ten views")
net.save(args.save)
print(f"saved: {args.save}, classes: {', '.join(data.classes)}")
