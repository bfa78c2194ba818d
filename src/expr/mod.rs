//! Elementwise expressions, written once: the CPU runs them on vectors, and the GPU gets them as WGSL.
