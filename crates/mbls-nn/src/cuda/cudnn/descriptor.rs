//! Descriptors of cuDNN's graph API: attributes are set, then the descriptor is finalised, then
//! attributes are read.

use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, sys};
use std::ffi::c_void;
use std::ptr::null_mut;
use sys::cudnnBackendAttributeName_t as Name;
use sys::cudnnBackendAttributeType_t as Type;
use sys::cudnnBackendDescriptorType_t as Kind;

pub(super) type Result<T> = std::result::Result<T, CudnnError>;

/// An attribute type.
///
/// # Safety
///
/// cuDNN reads values of `TYPE` as values of this type.
pub(super) unsafe trait Attribute: Copy {
    const TYPE: Type;
}

macro_rules! attribute {
    ($($type:ty: $kind:ident),+ $(,)?) => {
        $(
            // SAFETY: as documented by cuDNN for this type.
            unsafe impl Attribute for $type {
                const TYPE: Type = Type::$kind;
            }
        )+
    };
}

attribute!(
    i64: CUDNN_TYPE_INT64,
    f32: CUDNN_TYPE_FLOAT,
    f64: CUDNN_TYPE_DOUBLE,
    sys::cudnnHandle_t: CUDNN_TYPE_HANDLE,
    sys::cudnnDataType_t: CUDNN_TYPE_DATA_TYPE,
    sys::cudnnConvolutionMode_t: CUDNN_TYPE_CONVOLUTION_MODE,
    sys::cudnnBackendHeurMode_t: CUDNN_TYPE_HEUR_MODE,
);

/// An address on the device.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Address(pub(super) u64);

// SAFETY: a pointer is an address of 64 bits, which cuDNN does not dereference when it is set.
unsafe impl Attribute for Address {
    const TYPE: Type = Type::CUDNN_TYPE_VOID_PTR;
}

/// A descriptor, destroyed with its owner.
pub(super) struct Descriptor(sys::cudnnBackendDescriptor_t);

impl Descriptor {
    pub(super) fn new(kind: Kind) -> Result<Self> {
        let mut descriptor = null_mut();
        // SAFETY: there is room for one descriptor.
        unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut descriptor) }.result()?;
        Ok(Self(descriptor))
    }

    /// Sets an attribute, which cuDNN copies.
    pub(super) fn set<A: Attribute>(self, name: Name, values: &[A]) -> Result<Self> {
        // SAFETY: the number and type of the values are as stated.
        unsafe { self.set_raw(name, A::TYPE, values.len(), values.as_ptr().cast()) }
    }

    /// Sets an attribute that is another descriptor, which must live as long as this one.
    pub(super) fn set_descriptor(self, name: Name, value: &Descriptor) -> Result<Self> {
        // SAFETY: one finalised descriptor.
        unsafe {
            self.set_raw(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, (&raw const value.0).cast())
        }
    }

    /// # Safety
    ///
    /// `values` must point to `count` values of the type `kind`.
    unsafe fn set_raw(
        self,
        name: Name,
        kind: Type,
        count: usize,
        values: *const c_void,
    ) -> Result<Self> {
        // SAFETY: the descriptor is alive; for the values see above.
        unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count as i64, values) }
            .result()?;
        Ok(self)
    }

    /// Finalises the descriptor; cuDNN checks the attributes.
    pub(super) fn finalize(self) -> Result<Self> {
        // SAFETY: the descriptor is alive.
        unsafe { sys::cudnnBackendFinalize(self.0) }.result()?;
        Ok(self)
    }

    pub(super) fn number(&self, name: Name) -> Result<i64> {
        let mut number = 0i64;
        // SAFETY: there is room for one number.
        unsafe { self.read(name, Type::CUDNN_TYPE_INT64, 1, (&raw mut number).cast())? };
        Ok(number)
    }

    /// Reads notes of the type `kind` as numbers, because a library may know more values than this
    /// program.
    pub(super) fn notes(&self, name: Name, kind: Type) -> Result<Vec<i32>> {
        /// More than cuDNN defines.
        const MOST: usize = 64;
        let mut notes = [0i32; MOST];
        // SAFETY: there is room for that many, and a C enumeration is an `int`.
        let count = unsafe { self.read(name, kind, MOST, notes.as_mut_ptr().cast())? };
        Ok(notes[..count].to_vec())
    }

    /// Reads up to `most` descriptors of a kind.
    pub(super) fn descriptors(
        &self,
        name: Name,
        kind: Kind,
        most: usize,
    ) -> Result<Vec<Descriptor>> {
        let mut found = (0..most).map(|_| Descriptor::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut raw: Vec<_> = found.iter().map(|descriptor| descriptor.0).collect();
        // SAFETY: there are that many descriptors for cuDNN to write to.
        let count = unsafe {
            self.read(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.as_mut_ptr().cast())?
        };
        found.truncate(count);
        Ok(found)
    }

    /// # Safety
    ///
    /// `values` must have room for `most` values of the type `kind`.
    unsafe fn read(
        &self,
        name: Name,
        kind: Type,
        most: usize,
        values: *mut c_void,
    ) -> Result<usize> {
        let mut count = 0i64;
        // SAFETY: the descriptor is alive; for the values see above.
        unsafe {
            sys::cudnnBackendGetAttribute(self.0, name, kind, most as i64, &mut count, values)
        }
        .result()?;
        Ok(usize::try_from(count).unwrap_or(0).min(most))
    }

    /// Runs this descriptor, which is a plan.
    ///
    /// # Safety
    ///
    /// The addresses in `pack` must be those of buffers that fit the plan and live until the stream
    /// of the handle has run it.
    pub(super) unsafe fn execute(
        &self,
        handle: sys::cudnnHandle_t,
        pack: &Descriptor,
    ) -> Result<()> {
        // SAFETY: all three are alive.
        unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) }.result()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: created by cuDNN in `new`, and destroyed only here. `drop` cannot report an
        // error.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}
