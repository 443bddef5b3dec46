"""Fine-tune the network of a checkpoint on a folder of pictures with classes of its own.

FOLDER has train/<class>/*.jpg and val/<class>/*.jpg; CHECKPOINT is a file that a training wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from alexnet_native import Net
from alexnet_native.data.folder import read_folder

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("checkpoint", help="a .safetensors file with the weights to start from")
parser.add_argument("folder", help="train/<class>/*.jpg and val/<class>/*.jpg")
parser.add_argument("--epochs", type=int, default=5, help="default: %(default)s")
parser.add_argument("--lr", type=float, default=0.001, help="learning rate (default: %(default)s)")
parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
parser.add_argument("--freeze", nargs="*", default=[], help="layers to keep as they are")
parser.add_argument("--save", default="finetuned.safetensors", help="default: %(default)s")
args = parser.parse_args()

# Pictures are a little larger than the network's input, as the paper's 256 are than its 224.
network = Net.load(args.checkpoint).description
data = read_folder(Path(args.folder), resize=network.input_shape[1] * 256 // 224)
if data.val is None:
    parser.error(f"{args.folder} has no val/<class>/ folders; add pictures to measure the error on")
net = Net(network.with_classes(len(data.classes)), seed=0)
settings = {"epochs": args.epochs, "lr": args.lr, "batch_size": args.batch_size}
net.fit(data, init_from=args.checkpoint, freeze=tuple(args.freeze), **settings)

images, labels = data.val.gather(np.arange(len(data.val))), data.val.labels
result = net.evaluate(images, labels, views=10)
print(f"error on {result.images} validation pictures: {100 * result.top1_error:.1f} %, ten views")
net.save(args.save)
print(f"saved: {args.save}, classes: {', '.join(data.classes)}")
