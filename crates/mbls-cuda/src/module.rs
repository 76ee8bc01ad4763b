//! A source of kernels, compiled once per type and loaded once per thread and device.

use crate::element::{ELEMENTS, Element};
use candle_core::cuda_backend::cudarc::driver::CudaFunction;
use candle_core::cuda_backend::cudarc::nvrtc::{
    CompileError, CompileOptions, compile_ptx_with_opts,
};
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{Result, bail};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::OnceLock;

/// The header that precedes every source: `Stored` and `Compute`, `load` and `store`,
/// `MAX_THREADS`.
pub const HEADER: &str = include_str!("element.cu");

/// A source of kernels and its compiled code, which does not depend on the device.
#[derive(Debug)]
pub struct Module {
    name: &'static str,
    what: &'static str,
    file: &'static str,
    sources: &'static [&'static str],
    ptx: [OnceLock<String>; ELEMENTS.len()],
}

impl Module {
    /// Creates a module whose source is [`HEADER`] followed by `sources`. `name` identifies it on a
    /// device, `what` and `file` name it in errors.
    pub const fn new(
        name: &'static str,
        what: &'static str,
        file: &'static str,
        sources: &'static [&'static str],
    ) -> Self {
        Self { name, what, file, sources, ptx: [const { OnceLock::new() }; ELEMENTS.len()] }
    }

    /// Returns the kernel of that name for numbers of type `T`.
    ///
    /// # Errors
    ///
    /// Fails if NVRTC is not found, the source does not compile, there is no such kernel, or the
    /// driver rejects the module.
    pub fn kernel<T: Element>(
        &self,
        device: &CudaDevice,
        kernel: &'static str,
    ) -> Result<CudaFunction> {
        /// Device, module, type and kernel.
        type Key = (DeviceId, &'static str, &'static str, &'static str);

        thread_local! {
            static FOUND: RefCell<HashMap<Key, CudaFunction>> = RefCell::default();
        }
        let key = (device.id(), self.name, T::NAME, kernel);
        if let Some(function) = FOUND.with_borrow(|found| found.get(&key).cloned()) {
            return Ok(function);
        }
        let ptx = match self.ptx[T::INDEX].get() {
            Some(ptx) => ptx,
            None => {
                let compiled = self.compile(T::NAME)?;
                self.ptx[T::INDEX].get_or_init(|| compiled)
            }
        };
        let module = format!("{}-{}", self.name, T::NAME);
        let function = device.get_or_load_custom_func(kernel, &module, ptx)?.into_cuda_function();
        FOUND.with_borrow_mut(|found| found.insert(key, function.clone()));
        Ok(function)
    }

    /// Compiles the source for one of [`ELEMENTS`] to PTX. Requires NVRTC, but no device.
    ///
    /// # Errors
    ///
    /// Fails if NVRTC is not found (the message contains "was not found") or the source does not
    /// compile.
    pub fn compile(&self, element: &str) -> Result<String> {
        let (what, source) = (self.what, [&[HEADER], self.sources].concat().concat());
        let options = CompileOptions {
            options: vec![format!("--define-macro=STORED_{element}")],
            name: Some(self.file.into()),
            ..CompileOptions::default()
        };
        // cudarc panics if it does not find the library.
        match catch_unwind(|| compile_ptx_with_opts(source, options)) {
            Ok(Ok(ptx)) => Ok(ptx.to_src()),
            Ok(Err(CompileError::CompileError { nvrtc, log, .. })) => {
                bail!("the kernels of {what} for {element}: {nvrtc:?}: {}", log.to_string_lossy())
            }
            Ok(Err(error)) => bail!("the kernels of {what} for {element}: {error}"),
            Err(_) => bail!(
                "the kernels of {what} need NVRTC, a library of the CUDA toolkit, which was not found"
            ),
        }
    }
}

/// Returns the names of the kernels in compiled PTX, sorted.
pub fn entry_points(ptx: &str) -> Vec<&str> {
    let entries =
        ptx.lines().filter_map(|line| line.strip_prefix(".visible .entry ")?.strip_suffix('('));
    let mut names: Vec<&str> = entries.collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    static DOUBLED: Module = Module::new(
        "test",
        "the test",
        "test.cu",
        &["extern \"C\" __global__ void doubled(Stored* x) { *x = store(2 * load(*x)); }"],
    );

    /// Requires the compiler, but no device.
    #[test]
    fn the_header_compiles_for_every_type_and_for_no_other() {
        for element in ELEMENTS {
            match DOUBLED.compile(element) {
                Err(error) if error.to_string().contains("was not found") => {
                    eprintln!("skipped: {error}");
                    return;
                }
                ptx => assert_eq!(
                    entry_points(&ptx.expect("a source that compiles")),
                    ["doubled"],
                    "{element}"
                ),
            }
        }
        let error = DOUBLED.compile("F8").expect_err("no such type").to_string();
        assert!(
            error.contains("the kernels of the test for F8") && error.contains("test.cu"),
            "{error}"
        );
    }

    #[test]
    fn entry_points_are_sorted() {
        let ptx =
            ".version 8.0\n.visible .entry b(\n.param .u64 x\n)\n.visible .entry a(\n.func c(\n";
        assert_eq!(entry_points(ptx), ["a", "b"]);
    }
}
