"""Learning rates that change from step to step, under PyTorch's names."""
