"""A seeded run gives the same bits again, on every device, for any number of threads."""

import numpy as np
import pytest
import rsconv
from rsconv import nn, optim
from rsconv.data import DataLoader
from rsconv.nn import functional as F


def train(device, workers=0, seed=3):
    """The bits of the losses, and of all that was learned, of some steps with all that draws by chance."""
    rsconv.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.2),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4 * 64, 10),
    ).to(device)
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((48, 1, 8, 8)).astype(np.float32), np.arange(48) % 10
    batches = DataLoader((images, labels), 16, shuffle=True, device=device, num_workers=workers)
    optimizer = optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        for batch, targets in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(batch + 0.1 * rsconv.randn(*batch.shape, device=device)), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return [x.cpu().numpy().tobytes() for x in (*losses, *net.state_dict().values())]


@pytest.fixture
def threads():
    before = rsconv.get_num_threads()
    yield
    rsconv.set_num_threads(before)


def test_a_seeded_run_gives_the_same_bits_again(device, threads):
    first = train(device)
    assert len(set(first[:6])) == 6
    rsconv.set_num_threads(1)
    assert train(device, workers=2) == first
    assert train(device, seed=4)[0] != first[0]
