//! Every environment variable that rsconv reads, in one table.
//!
//! No other module names an `RSCONV_*` variable: Rust code asks the typed readers below, and `rsconv info`
//! prints the table. An empty variable counts as unset.

use std::env;

use crate::error::{Error, Result};

/// An environment variable and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// The variable.
    pub name: &'static str,
    /// What holds while it is unset.
    pub default: &'static str,
    /// What it sets, and the values that it takes.
    pub description: &'static str,
}

impl Knob {
    /// Its value now, `None` if it is unset or empty. Bytes that are not Unicode are replaced.
    pub fn value(&self) -> Option<String> {
        let value = env::var_os(self.name)?.to_string_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    }

    fn refuse(&self, value: &str, expected: &str) -> Error {
        Error::Argument(format!("{}={value} is not valid: expected {expected}", self.name))
    }
}

/// The most threads that a call can use: more is a mistake, and every thread is started at once.
pub const MAX_THREADS: usize = 4096;

const ISA: Knob = Knob {
    name: "RSCONV_ISA",
    default: "the best that the machine has",
    description: "instruction set of the CPU kernels: scalar, portable, avx2, avx512 or neon; it must be one that \
                  the machine has",
};
const NUM_THREADS: Knob = Knob {
    name: "RSCONV_NUM_THREADS",
    default: "what CPU affinity and cgroup quota allow",
    description: "threads of a CPU call, an integer from 1 to 4096; set_num_threads() overrides it",
};
const LOG: Knob = Knob {
    name: "RSCONV_LOG",
    default: "as the program configures logging",
    description: "level of the logger \"rsconv\", with a handler that writes to stderr: debug, info, warning or error",
};

const SHADER_DIR: Knob = Knob {
    name: "RSCONV_SHADER_DIR",
    default: "the shaders inside the extension",
    description: "folder whose files take the place of the GPU shader templates of the same names (shaders/*.wgsl)",
};

const DEVICE: Knob = Knob {
    name: "RSCONV_DEVICE",
    default: "cpu",
    description: "device of host arrays and factories outside of `with rsconv.device(..)`: cpu, gpu, gpu:1 or part of a \
                  GPU's name",
};
const ALLOW_SOFTWARE_GPU: Knob = Knob {
    name: "RSCONV_ALLOW_SOFTWARE_GPU",
    default: "0",
    description: "1 lets \"gpu\" mean an adapter that computes on the CPU, such as lavapipe or SwiftShader",
};
const REQUIRE_GPU: Knob = Knob {
    name: "RSCONV_REQUIRE_GPU",
    default: "0",
    description: "1 makes the GPU tests fail instead of skip where there is no GPU",
};
const GPU_MEMORY_LIMIT: Knob = Knob {
    name: "RSCONV_GPU_MEMORY_LIMIT",
    default: "what the driver gives",
    description: "the most memory to allocate on a GPU: bytes, as in 1500000, 512M or 2G; \
                  rsconv.gpu.set_memory_limit() overrides it",
};
const GPU_DEFAULT_LIMITS: Knob = Knob {
    name: "RSCONV_GPU_DEFAULT_LIMITS",
    default: "0",
    description: "1 opens GPUs with the limits that WebGPU promises everywhere instead of their own, as tests do",
};

/// All of them, in the order of `rsconv info`.
pub static KNOBS: &[Knob] = &[
    ISA,
    NUM_THREADS,
    LOG,
    DEVICE,
    ALLOW_SOFTWARE_GPU,
    REQUIRE_GPU,
    GPU_MEMORY_LIMIT,
    GPU_DEFAULT_LIMITS,
    SHADER_DIR,
];

/// The name of the instruction set to use; `simd` knows which exist.
pub fn isa() -> Option<String> {
    ISA.value()
}

/// The number of threads to use.
pub fn num_threads() -> Result<Option<usize>> {
    NUM_THREADS.value().map(|value| parse_num_threads(&value)).transpose()
}

/// The folder of shader templates that replace the embedded ones.
pub fn shader_dir() -> Option<String> {
    SHADER_DIR.value()
}

/// Refuses variables whose value has no meaning, apart from `RSCONV_ISA`, whose values `simd` knows.
pub fn validate() -> Result<()> {
    num_threads().map(drop)
}

fn parse_num_threads(value: &str) -> Result<usize> {
    match value.trim().parse::<usize>() {
        Ok(n) if (1..=MAX_THREADS).contains(&n) => Ok(n),
        _ => Err(NUM_THREADS.refuse(value, &format!("an integer from 1 to {MAX_THREADS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_prefixed_and_unique() {
        for (i, knob) in KNOBS.iter().enumerate() {
            assert!(knob.name.starts_with("RSCONV_"), "{}", knob.name);
            assert!(!knob.default.is_empty() && !knob.description.is_empty(), "{}", knob.name);
            assert!(KNOBS[..i].iter().all(|other| other.name != knob.name), "{} twice", knob.name);
        }
    }

    #[test]
    fn empty_and_absent_variables_have_no_value() {
        let knob = |name| Knob { name, default: "", description: "" };
        assert_eq!(knob("RSCONV_TEST_SURELY_ABSENT").value(), None);
        // Set by cargo for every test run; empty, as the version is no pre-release.
        assert_eq!(knob("CARGO_PKG_VERSION_PRE").value(), None);
        assert_eq!(knob("CARGO_PKG_NAME").value().as_deref(), Some("rsconv"));
    }

    #[test]
    fn thread_counts_are_integers_within_limits() {
        assert_eq!(parse_num_threads("1"), Ok(1));
        assert_eq!(parse_num_threads(" 12 "), Ok(12));
        assert_eq!(parse_num_threads("4096"), Ok(MAX_THREADS));
        assert!(NUM_THREADS.description.contains(&format!("1 to {MAX_THREADS};")));
        for bad in ["0", "-1", "two", "1.5", "4097", "99999999999999999999"] {
            let expected =
                format!("RSCONV_NUM_THREADS={bad} is not valid: expected an integer from 1 to 4096");
            assert_eq!(parse_num_threads(bad), Err(Error::Argument(expected)));
        }
    }
}
