"""Train a small network on scikit-learn's digits, and draw how it went and what it learned.

python examples/digits.py [--epochs 12] [--device gpu] [--output digits.png]
"""

import argparse
import time
from functools import partial

import matplotlib
import numpy as np
import rsconv
import rsconv.nn.functional as F
from rsconv import nn, optim
from rsconv.data import DataLoader, TensorDataset, random_split
from sklearn.datasets import load_digits
from tqdm import tqdm


def network():
    """Digits `(N, 1, 8, 8)` to scores `(N, 10)`."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(256, 10),
    )


def accuracy(net, batches):
    """The share of images whose highest score is at their label."""
    net.eval()
    with rsconv.no_grad():
        right = [(net(images).argmax(1) == labels).cpu().numpy() for images, labels in batches]
    net.train()
    return np.concatenate(right).mean()


def train(device, epochs, count):
    """Learn from `count` images: the network, the loss of each step, the accuracy after each epoch."""
    rsconv.manual_seed(0)
    digits = load_digits()
    images = (digits.images[:count, None] / 16 - 0.3).astype(np.float32)
    training, test = random_split(TensorDataset(images, digits.target[:count]), [0.8, 0.2])
    net = network().to(device)
    batches = DataLoader(training, batch_size=64, shuffle=True, drop_last=True, device=device)
    test_batches = list(DataLoader(test, batch_size=len(test), device=device))
    optimizer = optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs=epochs, steps_per_epoch=len(batches))
    losses, accuracies = [], []
    for epoch in range(1, epochs + 1):
        # A bar on terminals only.
        batches.progress = partial(tqdm, desc=f"epoch {epoch}/{epochs}", leave=False, disable=None)
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        accuracies.append(accuracy(net, test_batches))
        mean = np.mean(losses[-len(batches) :])
        print(f"epoch {epoch}/{epochs}: loss {mean:.4f}, {accuracies[-1]:.1%} of the test images are right")
    return net, losses, accuracies


def draw(path, net, losses, accuracies):
    """A figure of the losses, the accuracies and the filters of the first layer."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(10, 6), layout="constrained")
    curves, filters = figure.subfigures(2, 1, height_ratios=(2, 1))
    left, right = curves.subplots(1, 2)
    left.semilogy(losses, linewidth=0.8)
    left.set(xlabel="step", ylabel="loss")
    right.plot(range(1, len(accuracies) + 1), accuracies, "o-")
    right.set(xlabel="epoch", ylabel="accuracy on test images")
    filters.suptitle("filters of the first layer")
    weights = net[0].weight.detach().cpu().numpy()[:, 0]
    largest = abs(weights).max()
    for axes, weight in zip(filters.subplots(2, 8).flat, weights, strict=True):
        axes.imshow(weight, "RdBu", vmin=-largest, vmax=largest)
        axes.set_axis_off()
    figure.savefig(path)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, help="use only so many of the 1797 images")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", default="digits.png")
    options = parser.parse_args()
    start = time.perf_counter()
    net, losses, accuracies = train(options.device, options.epochs, options.images)
    draw(options.output, net, losses, accuracies)
    print(f"{time.perf_counter() - start:.0f} s; wrote {options.output}")


if __name__ == "__main__":
    main()
