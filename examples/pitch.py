"""Train a 1-D convolutional network to hear which note a synthetic instrument plays.

python examples/pitch.py [--steps 200] [--device cpu]

The notes are harmonics of random strength, a little out of tune, in noise as loud as they are; the network
sees a sixteenth of a second of the waveform.
"""

import argparse

import numpy as np
import rsconv
import rsconv.nn.functional as F
from rsconv import nn, optim

RATE, LENGTH = 8000, 512  # Hz, samples
LOWEST, NOTES = 45, 36  # MIDI number of 110 Hz; three octaves from there
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def play(notes, rng):
    """Waveforms `(N, 1, LENGTH)` of notes given by MIDI numbers `(N,)`."""
    detuned = notes + rng.uniform(-0.2, 0.2, len(notes))
    frequency = 440 * 2 ** ((detuned[:, None, None] - 69) / 12)
    harmonics = np.arange(1, 6)[:, None]
    strength = rng.uniform(0.2, 1, (len(notes), 5, 1)) / harmonics
    phase = rng.uniform(0, 2 * np.pi, (len(notes), 5, 1))
    time = np.arange(LENGTH) / RATE
    wave = (strength * np.sin(2 * np.pi * harmonics * frequency * time + phase)).sum(axis=1, keepdims=True)
    wave += wave.std() * rng.standard_normal(wave.shape)
    return wave.astype(np.float32)


def network():
    """Waveforms to a score for each note: filters of 16 ms, then ever coarser in time."""
    return nn.Sequential(
        nn.Conv1d(1, 32, 129, stride=4, padding=64, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Conv1d(32, 64, 9, stride=2, padding=4, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Conv1d(64, 96, 9, stride=2, padding=4, bias=False),
        nn.BatchNorm1d(96),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(96, NOTES),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    rsconv.manual_seed(0)
    rng = np.random.default_rng(0)
    net = network().to(given.device)
    optimizer = optim.AdamW(net.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=given.steps)
    for step in range(given.steps):
        labels = rng.integers(0, NOTES, 64)
        scores = net(rsconv.tensor(play(LOWEST + labels, rng), device=given.device))
        loss = F.cross_entropy(scores, rsconv.tensor(labels, dtype=rsconv.int32, device=given.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == given.steps - 1:
            print(f"step {step:4d}: loss {loss.item():.3f}")

    labels = rng.integers(0, NOTES, 500)
    with rsconv.no_grad():
        heard = net.eval()(play(LOWEST + labels, rng)).argmax(axis=1)
    print(f"{np.mean(heard == labels):.1%} of {len(labels)} new notes are right")
    played, said = (
        [NAMES[(LOWEST + n) % 12] + str((LOWEST + n) // 12 - 1) for n in row[:8]] for row in (labels, heard)
    )
    print("played:", *played)
    print("heard: ", *said)


if __name__ == "__main__":
    main()
