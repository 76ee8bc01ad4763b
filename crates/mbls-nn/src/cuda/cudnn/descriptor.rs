//! Descriptors of cuDNN's graph interface: attributes that are set, sealed, and read.

use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, sys};
use std::ffi::c_void;
use std::ptr::null_mut;
use sys::cudnnBackendAttributeName_t as Name;
use sys::cudnnBackendAttributeType_t as Type;
use sys::cudnnBackendDescriptorType_t as Kind;

pub(super) type Result<T> = std::result::Result<T, CudnnError>;

/// A type of attributes.
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
            // SAFETY: as in cuDNN's documents of the type.
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

// SAFETY: a pointer is an address of 64 bits, which cuDNN does not read through when it is set.
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
        // SAFETY: as many values of the type as are said.
        unsafe { self.set_raw(name, A::TYPE, values.len(), values.as_ptr().cast()) }
    }

    /// Sets an attribute that is another descriptor, which has to live as long as this one.
    pub(super) fn set_descriptor(self, name: Name, value: &Descriptor) -> Result<Self> {
        // SAFETY: one sealed descriptor.
        unsafe {
            self.set_raw(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, (&raw const value.0).cast())
        }
    }

    /// # Safety
    ///
    /// At `values` are `count` values of the type `kind`.
    unsafe fn set_raw(
        self,
        name: Name,
        kind: Type,
        count: usize,
        values: *const c_void,
    ) -> Result<Self> {
        // SAFETY: the descriptor lives, and for the values see above.
        unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count as i64, values) }
            .result()?;
        Ok(self)
    }

    /// Seals it; cuDNN checks the attributes.
    pub(super) fn finalize(self) -> Result<Self> {
        // SAFETY: the descriptor lives.
        unsafe { sys::cudnnBackendFinalize(self.0) }.result()?;
        Ok(self)
    }

    pub(super) fn number(&self, name: Name) -> Result<i64> {
        let mut number = 0i64;
        // SAFETY: there is room for one number.
        unsafe { self.read(name, Type::CUDNN_TYPE_INT64, 1, (&raw mut number).cast())? };
        Ok(number)
    }

    /// Notes of the type `kind`, as the numbers that they are: a library may know more of them than
    /// this program does.
    pub(super) fn notes(&self, name: Name, kind: Type) -> Result<Vec<i32>> {
        /// More than there are.
        const MOST: usize = 64;
        let mut notes = [0i32; MOST];
        // SAFETY: there is room for that many, and an enumeration of C is an `int`.
        let count = unsafe { self.read(name, kind, MOST, notes.as_mut_ptr().cast())? };
        Ok(notes[..count].to_vec())
    }

    /// Up to `most` descriptors of a kind.
    pub(super) fn descriptors(
        &self,
        name: Name,
        kind: Kind,
        most: usize,
    ) -> Result<Vec<Descriptor>> {
        let mut found = (0..most).map(|_| Descriptor::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut raw: Vec<_> = found.iter().map(|descriptor| descriptor.0).collect();
        // SAFETY: there are so many descriptors, into which cuDNN writes.
        let count = unsafe {
            self.read(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.as_mut_ptr().cast())?
        };
        found.truncate(count);
        Ok(found)
    }

    /// # Safety
    ///
    /// At `values` is room for `most` values of the type `kind`.
    unsafe fn read(
        &self,
        name: Name,
        kind: Type,
        most: usize,
        values: *mut c_void,
    ) -> Result<usize> {
        let mut count = 0i64;
        // SAFETY: the descriptor lives, and for the values see above.
        unsafe {
            sys::cudnnBackendGetAttribute(self.0, name, kind, most as i64, &mut count, values)
        }
        .result()?;
        Ok(usize::try_from(count).unwrap_or(0).min(most))
    }

    /// Runs the plan that this is.
    ///
    /// # Safety
    ///
    /// The pack's addresses are those of buffers that fit the plan, and live until the stream of
    /// the handle has run it.
    pub(super) unsafe fn execute(
        &self,
        handle: sys::cudnnHandle_t,
        pack: &Descriptor,
    ) -> Result<()> {
        // SAFETY: all three live.
        unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) }.result()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by cuDNN in `new`, and destroyed here alone. There is nobody to tell of an
        // error.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}
