"""Train, evaluate and save a small network on MNIST:  python examples/train_mnist.py FOLDER

FOLDER contains the four IDX files of MNIST (train-images-idx3-ubyte, ...), optionally as .gz.
"""

from __future__ import annotations

import argparse

import numpy as np
from alexnet_native import Net
from alexnet_native.data import open_data
from alexnet_native.models import describe

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", nargs="?", default="mnist", help="default: %(default)s")
parser.add_argument("--epochs", type=int, default=2, help="default: %(default)s")
parser.add_argument("--steps", type=int, default=0, help="maximum number (default: no limit)")
parser.add_argument("--devices", default="cpu:0", help="default: %(default)s")
parser.add_argument("--save", default="mnist.safetensors", help="default: %(default)s")
args = parser.parse_args()

# The network for CIFAR-10, with an input of one channel and 28 x 28 pixels.
data = open_data(args.folder)
network = describe("cifar10-quick", classes=10).with_input((1, 28, 28))
net = Net(network, devices=args.devices, seed=0)
net.fit(data, epochs=args.epochs, steps=args.steps)

images, labels = data.val.gather(np.arange(len(data.val))), data.val.labels
result = net.evaluate(images, labels)
print(f"error on {result.images} test images: {100 * result.top1_error:.1f} %")
print("first labels:     ", *labels[:10])
print("first predictions:", *net.predict(images[:10]).argmax(axis=1))
net.save(args.save)
print(f"saved: {args.save}")
