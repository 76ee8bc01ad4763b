//! A pass of a convolution as cuDNN's graph interface has it.

use super::descriptor::{Address, Descriptor, Result};
use super::{Pass, Problem};
use candle_core::cuda_backend::cudarc::cudnn::sys;
use std::ffi::c_int;
use sys::cudnnBackendAttributeName_t as Name;
use sys::cudnnBackendAttributeType_t as Type;
use sys::cudnnBackendDescriptorType_t as Kind;
use sys::cudnnBackendHeurMode_t as Mode;
use sys::cudnnBackendNumericalNote_t as Note;

/// More candidates than the heuristics name.
const MOST_CANDIDATES: usize = 64;

/// A pass, ready to run.
pub(super) struct Plan {
    plan: Descriptor,
    /// What it was made of: of what it refers to, cuDNN's documents do not say what it copies.
    _made_of: [Descriptor; 3],
    _graph: Graph,
    /// The bytes that it works in.
    pub(super) workspace: usize,
}

/// The operation of a pass.
pub(super) struct Graph {
    operation: Descriptor,
    _window: Descriptor,
    _tensors: [Descriptor; 3],
}

impl Pass {
    /// The numbers of the tensors that are read and of the one that is written, as places of `[x,
    /// weight, y]`.
    pub(super) fn tensors(self) -> ([usize; 2], usize) {
        match self {
            Self::Forward => ([0, 1], 2),
            Self::Data => ([1, 2], 0),
            Self::Filter => ([0, 2], 1),
        }
    }
}

impl Graph {
    /// The operation, its tensors in rows without gaps that begin at multiples of `alignment`
    /// bytes.
    pub(super) fn new(p: &Problem, pass: Pass, alignment: usize) -> Result<Self> {
        let mut id = 0;
        let mut tensor = |shape: [c_int; 4]| {
            id += 1;
            let [n, c, h, w] = shape.map(i64::from);
            Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
                .set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[p.stored])?
                .set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, &[n, c, h, w])?
                .set(Name::CUDNN_ATTR_TENSOR_STRIDES, &[c * h * w, h * w, w, 1])?
                .set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[id])?
                .set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[alignment as i64])?
                .finalize()
        };
        let [x, weight, y] = [tensor(p.x)?, tensor(p.weight)?, tensor(p.y)?];
        let wide = |sizes: [c_int; 2]| sizes.map(i64::from);
        let window = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[p.compute])?
            .set(
                Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE,
                &[sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION],
            )?
            .set(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2i64])?
            .set(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &wide(p.padding))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &wide(p.padding))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &wide(p.stride))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &wide(p.dilation))?
            .finalize()?;
        let (kind, [alpha, beta, convolution, first, second, third]) = match pass {
            Pass::Forward => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                ],
            ),
            Pass::Data => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                ],
            ),
            Pass::Filter => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                ],
            ),
        };
        let operation = Descriptor::new(kind)?
            .set_descriptor(convolution, &window)?
            .set_descriptor(first, &x)?
            .set_descriptor(second, &weight)?
            .set_descriptor(third, &y)?;
        // Factors have the type of sums.
        let operation = match p.compute {
            sys::cudnnDataType_t::CUDNN_DATA_DOUBLE => {
                operation.set(alpha, &[1f64])?.set(beta, &[0f64])?
            }
            _ => operation.set(alpha, &[1f32])?.set(beta, &[0f32])?,
        };
        Ok(Self { operation: operation.finalize()?, _window: window, _tensors: [x, weight, y] })
    }
}

impl Plan {
    /// The plan of the candidate that the heuristics expect to be the fastest, of those that are
    /// deterministic, round no more than is allowed, run on the device, and work in at most
    /// `limit` bytes; `None` where there is none.
    pub(super) fn new(
        handle: sys::cudnnHandle_t,
        p: &Problem,
        pass: Pass,
        alignment: usize,
        limit: usize,
    ) -> Result<Option<Self>> {
        let graph = Graph::new(p, pass, alignment)?;
        let all = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[handle])?
            .set_descriptor(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &graph.operation)?
            .finalize()?;
        for mode in [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK] {
            let heuristics = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
                .set_descriptor(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &all)?
                .set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?;
            // A mode that knows nothing of the problem refuses it.
            let Ok(heuristics) = heuristics.finalize() else { continue };
            let kind = Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
            let candidates = heuristics.descriptors(
                Name::CUDNN_ATTR_ENGINEHEUR_RESULTS,
                kind,
                MOST_CANDIDATES,
            )?;
            for candidate in candidates {
                if !allowed(p, &candidate)? {
                    continue;
                }
                let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?
                    .set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &[handle])?
                    .set_descriptor(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &candidate)?;
                // A candidate that does not suit the device is refused here.
                let Ok(plan) = plan.finalize() else { continue };
                let workspace = plan.number(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)?;
                if let Ok(workspace) = usize::try_from(workspace)
                    && workspace <= limit
                {
                    return Ok(Some(Self {
                        plan,
                        _made_of: [candidate, heuristics, all],
                        _graph: graph,
                        workspace,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Runs it on the stream of the handle.
    ///
    /// # Safety
    ///
    /// The addresses are those of what is read, of what is written and of the workspace, which have
    /// the sizes of the problem and live until the stream has run it; they are as aligned as
    /// was said.
    pub(super) unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        pass: Pass,
        [first, second]: [u64; 2],
        out: u64,
        workspace: u64,
    ) -> Result<()> {
        let (inputs, output) = pass.tensors();
        let id = |place: usize| place as i64 + 1;
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .set(
                Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                &[id(inputs[0]), id(inputs[1]), id(output)],
            )?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &[first, second, out].map(Address))?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[Address(workspace)])?
            .finalize()?;
        // SAFETY: as above.
        unsafe { self.plan.execute(handle, &pack) }
    }
}

/// Whether a candidate is deterministic, sums in the type of sums, and rounds its factors only
/// where the problem allows it.
fn allowed(p: &Problem, candidate: &Descriptor) -> Result<bool> {
    let engines = candidate.descriptors(
        Name::CUDNN_ATTR_ENGINECFG_ENGINE,
        Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR,
        1,
    )?;
    let Some(engine) = engines.first() else { return Ok(false) };
    let notes =
        engine.notes(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, Type::CUDNN_TYPE_NUMERICAL_NOTE)?;
    let noted = |note: Note| notes.contains(&(note as i32));
    // For f32 tensor cores round to TF32; half precision is theirs, and those of double precision
    // round nothing.
    let rounds = p.stored == sys::cudnnDataType_t::CUDNN_DATA_FLOAT
        && noted(Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    let refused = [
        Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
        Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        Note::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
    ];
    Ok(!refused.into_iter().any(noted) && (p.tf32 || !rounds))
}
