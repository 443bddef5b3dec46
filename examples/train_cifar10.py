"""Train on CIFAR-10 and print the error of each class.

FOLDER is the binary version of CIFAR-10, unpacked: data_batch_1.bin, ..., test_batch.bin.
"""

from __future__ import annotations

import argparse

import numpy as np
from alexnet_native import Net
from alexnet_native.data import open_data

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "folder", nargs="?", default="cifar-10-batches-bin", help="default: %(default)s"
)
parser.add_argument("--net", default="cifar10-quick", help="default: %(default)s")
parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
parser.add_argument("--steps", type=int, default=0, help="maximum number (default: no limit)")
parser.add_argument("--devices", default="cpu:0", help="default: %(default)s")
parser.add_argument("--out", default="runs/cifar10", help="run folder (default: %(default)s)")
args = parser.parse_args()

# The network defines the learning rate and the schedule: 0.001, divided by 10 after epoch 8.
data = open_data(args.folder)
net = Net(args.net, classes=10, devices=args.devices, seed=0)
outcome = net.fit(data, out=args.out, epochs=args.epochs, steps=args.steps)

images, labels = data.val.gather(np.arange(len(data.val))), data.val.labels
wrong = net.predict(images).argmax(axis=1) != labels
for label, name in enumerate(data.classes):
    print(f"{name:12} {100 * wrong[labels == label].mean():5.1f} % error")
print(f"all classes  {100 * wrong.mean():5.1f} % error on {len(labels)} test images")
print(f"checkpoint: {outcome.checkpoint}")
