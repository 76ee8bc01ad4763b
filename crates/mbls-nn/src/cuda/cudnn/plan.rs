//! A pass of a convolution in cuDNN's graph API.

use super::descriptor::{Address, Descriptor, Result};
use super::{Pass, Problem};
use candle_core::cuda_backend::cudarc::cudnn::sys;
use std::ffi::c_int;
use sys::cudnnBackendAttributeName_t as Name;
use sys::cudnnBackendAttributeType_t as Type;
use sys::cudnnBackendDescriptorType_t as Kind;
use sys::cudnnBackendHeurMode_t as Mode;
use sys::cudnnBackendNumericalNote_t as Note;

/// More candidates than the heuristics return.
const MOST_CANDIDATES: usize = 64;

/// A pass, ready to run.
pub(super) struct Plan {
    plan: Descriptor,
    /// The descriptors of which the plan is composed. cuDNN's documentation does not say which of
    /// them it copies.
    _made_of: [Descriptor; 3],
    _graph: Graph,
    /// The size of the workspace in bytes.
    pub(super) workspace: usize,
}

/// The operation graph of a pass.
pub(super) struct Graph {
    operation: Descriptor,
    _window: Descriptor,
    _tensors: [Descriptor; 3],
}

impl Pass {
    /// Returns the indices in `[x, weight, y]` of the two input tensors and of the output tensor.
    pub(super) fn tensors(self) -> ([usize; 2], usize) {
        match self {
            Self::Forward => ([0, 1], 2),
            Self::Data => ([1, 2], 0),
            Self::Filter => ([0, 2], 1),
        }
    }
}

impl Graph {
    /// Creates the operation with row-major tensors without gaps, whose addresses are multiples of
    /// `alignment` bytes.
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
    /// Returns the plan of the candidate that the heuristics rank first among those that are
    /// deterministic, round no more than allowed, run on the device, and need a workspace of at
    /// most `limit` bytes; `None` if there is none.
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
            // A mode that does not support the problem fails here.
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
                // A candidate that does not support the device fails here.
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

    /// Runs the plan on the stream of the handle.
    ///
    /// # Safety
    ///
    /// The addresses must be those of the inputs, the output and the workspace. These must have the
    /// sizes of the problem and the alignment given to `new`, and live until the stream has run the
    /// plan.
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
        // SAFETY: guaranteed by the caller.
        unsafe { self.plan.execute(handle, &pack) }
    }
}

/// Returns whether a candidate is deterministic, sums in the type of sums, and rounds its factors
/// only if the problem allows it.
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
    // For f32, tensor cores round to TF32. Half precision is native to them, and for double
    // precision they do not round.
    let rounds = p.stored == sys::cudnnDataType_t::CUDNN_DATA_FLOAT
        && noted(Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    let refused = [
        Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
        Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        Note::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
    ];
    Ok(!refused.into_iter().any(noted) && (p.tf32 || !rounds))
}
