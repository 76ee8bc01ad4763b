// The fused losses on CUDA devices: the formulas of `cost.rs`, `plan.rs`, `rows.rs` and `tiles.rs`.
//
// This source is compiled after the header of mbls-cuda. Sums over rows are f64 and added in a
// fixed order, so results are bit-identical in every run. Every thread of a block takes part in the
// same reductions, including those of ignored rows.

// The target of an ignored row.
#define IGNORED 0xffffffffu

// A loss; the struct in `cuda.rs` has the same fields.
struct Plan {
    // Exponents of the focal loss below a probability, in ascending order, and above the last.
    double gamma_below[2];
    double gamma[2];
    double gamma_otherwise;
    double base_weight;
    double uniform_weight;
    double penalty_weight;
    double second_weight;
    double linear;
    double quadratic;
    double delta;
    // The factor of a row's costs, which `penalty_weight` includes.
    double scale;
    // For an augmented Lagrangian, one over the margin.
    double inverse_margin;
    double top_logit_margin;
    double top_logit_weight;
    u32 focal;
    u32 has_second;
    u32 has_top_logit;
    u32 target_anchor;
    u32 moves_anchor;
    // One of the penalties below, or 0.
    u32 augmented;
};

#define PHR 1
#define P2 2
#define P3 3

// Logits [rows / positions, classes, positions]; the struct in `cuda.rs` has the same fields.
struct Shape {
    u64 rows;
    u64 positions;
    u32 classes;
    // Threads per row if there is one position: a power of two up to 32, or the whole block.
    u32 width;
};

static_assert(sizeof(Plan) == 152 && sizeof(Shape) == 24, "the host passes these sizes");

// The largest logit and its first class.
struct Max {
    Compute value;
    u32 index;
};

// Sums over the classes of a row.
struct Sums {
    Compute exp;
    Compute shifted;
    Compute cost;
    Compute slope;
};

// Weighted sums over rows.
struct Terms {
    double base;
    double top_logit;
    double second;
};

template <typename T>
__device__ T other_lane(T value, u32 offset) {
    return __shfl_xor_sync(0xffffffffu, value, offset);
}

__device__ Max other_lane(Max max, u32 offset) {
    return {other_lane(max.value, offset), other_lane(max.index, offset)};
}

__device__ Sums other_lane(Sums sums, u32 offset) {
    return {other_lane(sums.exp, offset), other_lane(sums.shifted, offset), other_lane(sums.cost, offset),
            other_lane(sums.slope, offset)};
}

__device__ Terms other_lane(Terms terms, u32 offset) {
    return {other_lane(terms.base, offset), other_lane(terms.top_logit, offset), other_lane(terms.second, offset)};
}

__device__ Max combine(Max a, Max b) {
    bool second = b.value > a.value || (b.value == a.value && b.index < a.index);
    return second ? b : a;
}

__device__ Sums combine(Sums a, Sums b) {
    return {a.exp + b.exp, a.shifted + b.shifted, a.cost + b.cost, a.slope + b.slope};
}

__device__ Terms combine(Terms a, Terms b) { return {a.base + b.base, a.top_logit + b.top_logit, a.second + b.second}; }

// Combines the values of each `width` threads in a fixed order; all of them get the result. All
// threads of a block must call it.
template <typename T>
__device__ T reduce(T value, u32 width) {
    __shared__ T of_warps[MAX_THREADS / 32];
    for (u32 offset = (width < 32 ? width : 32) / 2; offset > 0; offset /= 2) {
        value = combine(value, other_lane(value, offset));
    }
    if (width > 32) {
        // The result of the previous reduction may still be read.
        __syncthreads();
        if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
        __syncthreads();
        value = of_warps[0];
        for (u32 warp = 1; warp < width / 32; ++warp) value = combine(value, of_warps[warp]);
    }
    return value;
}

// x^gamma, without a logarithm for common exponents.
__device__ double power(double x, double gamma) {
    if (gamma == 1.0) return x;
    if (gamma == 2.0) return x * x;
    if (gamma == 3.0) return x * x * x;
    if (gamma == 5.0) return x * x * x * x * x;
    return pow(x, gamma);
}

// The value of a row's base, and the factor of p - onehot(y) in its gradient.
struct Base {
    double value;
    double slope;
};

__device__ Base base_of(const Plan& plan, double log_p) {
    if (!plan.focal) return {-log_p, 1.0};
    double p = exp(log_p);
    double complement = 1.0 - p;
    if (complement <= 0.0) return {0.0, 0.0};
    double gamma = p < plan.gamma_below[0] ? plan.gamma[0] : p < plan.gamma_below[1] ? plan.gamma[1] : plan.gamma_otherwise;
    double factor = power(complement, gamma);
    return {-factor * log_p, factor - gamma * p * log_p * factor / complement};
}

// Cost and slope of a distance from the anchor.
struct Cost {
    Compute cost;
    Compute slope;
};

// Cost and slope of an augmented Lagrangian of h = distance / margin - 1.
__device__ Cost augmented_cost_of(const Plan& plan, Compute distance, Compute lambda, Compute rho) {
    Compute inverse_margin = (Compute)plan.inverse_margin;
    Compute h = distance * inverse_margin - 1;
    Compute cost, slope;
    if (plan.augmented == PHR) {
        Compute multiplier = lambda + rho * h;
        bool within = multiplier < 0;
        cost = within ? -(Compute)0.5 * (lambda * lambda) / rho : h * (lambda + (Compute)0.5 * (rho * h));
        slope = within ? (Compute)0 : multiplier;
    } else {
        Compute above = h < 0 ? (Compute)0 : h, below = h - above, room = 1 - rho * below;
        cost = below * lambda / room + above * lambda + lambda * rho * (above * above);
        slope = lambda / (room * room) + 2 * (lambda * rho * above);
        if (plan.augmented == P2) {
            Compute square = rho * rho * (above * above);
            cost += square * above * (Compute)(1.0 / 6.0);
            slope += (Compute)0.5 * square;
        }
    }
    return {cost, slope * inverse_margin};
}

// The two numbers of a class are its margin and its weight, or the multiplier and the parameter of an
// augmented Lagrangian.
__device__ Cost cost_of(const Plan& plan, Compute distance, Compute margin, Compute weight) {
    if (plan.augmented) return augmented_cost_of(plan, distance, margin, weight);
    Compute linear = (Compute)plan.linear, quadratic = (Compute)plan.quadratic, delta = (Compute)plan.delta;
    // False for NaN, which is kept.
    bool within = distance <= margin;
    Compute excess = within ? (Compute)0 : distance - margin;
    Compute capped = excess < delta ? excess : delta;
    Compute cost = linear * excess + quadratic * (capped * (excess - (Compute)0.5 * capped));
    return {weight * cost, weight * (within ? (Compute)0 : linear + quadratic * capped)};
}

// Adds the contribution of one class's logit to a row's sums.
template <bool PENALTY>
__device__ void add(Sums& sums, const Plan& plan, Compute logit, Compute max, Compute anchor, Compute margin, Compute weight) {
    Compute shifted = logit - max;
    sums.exp += exp(shifted);
    if (PENALTY) {
        Cost cost = cost_of(plan, anchor - logit, margin, weight);
        sums.cost += cost.cost;
        sums.slope += cost.slope;
    } else {
        sums.shifted += shifted;
    }
}

// The factors of a row's gradient: of exponentials, of 1, of the penalty's slope, and the
// additional terms at label, anchor and maximum.
struct Factors {
    Compute exp;
    Compute constant;
    Compute penalty;
    Compute label;
    Compute anchor;
    Compute top_logit;
};

// The unweighted values of a row with a weight, and the factors of its gradient.
template <bool PENALTY>
__device__ Terms finish(const Plan& plan, const Sums& sums, u32 classes, Compute label, Compute max, double weight,
                        Factors& factors) {
    double log_sum = log((double)sums.exp);
    double log_p = (double)label - log_sum;
    Base base = base_of(plan, log_p);
    double base_slope = weight * plan.base_weight * base.slope;
    double uniform = weight * plan.uniform_weight;
    factors.exp = (Compute)((base_slope + uniform) / (double)sums.exp);
    factors.constant = (Compute)(-uniform / classes);
    factors.penalty = (Compute)(weight * plan.penalty_weight);
    factors.label = (Compute)base_slope;
    factors.anchor = (Compute)(weight * plan.penalty_weight * (double)sums.slope);
    // False for NaN, which is kept.
    double excess = !plan.has_top_logit || (double)max <= plan.top_logit_margin ? 0.0 : (double)max - plan.top_logit_margin;
    factors.top_logit = (Compute)(weight * plan.top_logit_weight * 2.0 * excess);
    return {base.value, excess * excess, PENALTY ? plan.scale * (double)sums.cost : log_sum - (double)sums.shifted / classes};
}

// The gradient of a row by the logit of one class.
template <bool PENALTY>
__device__ Compute slope_of(const Plan& plan, const Factors& factors, Compute logit, const Max& max, Compute anchor,
                            Compute margin, Compute weight, u32 class_index, u32 target) {
    Compute slope = exp(logit - max.value) * factors.exp + factors.constant;
    if (PENALTY) slope -= factors.penalty * cost_of(plan, anchor - logit, margin, weight).slope;
    if (class_index == target) slope -= factors.label;
    if (class_index == max.index) slope += factors.top_logit;
    if (PENALTY && plan.moves_anchor && class_index == (plan.target_anchor ? target : max.index)) slope += factors.anchor;
    return slope;
}

// The classes of one row that one thread processes: every `step`-th from `first`, each `stride`
// numbers from the next.
struct Row {
    u64 start;
    u64 stride;
    u32 first;
    u32 step;
    u32 target;
};

// Processes one row with one thread or several: adds its values, and writes its gradient times
// `upstream` if there is one to write.
template <bool PENALTY, bool GRADIENT>
__device__ void row_of(const Stored* __restrict__ logits, const double* __restrict__ row_weights,
                       const Compute* __restrict__ per_class, const Plan& plan, const Row& row, u32 classes, u32 width,
                       bool exists, double upstream, Stored* __restrict__ gradient, Terms& terms) {
    bool counts = exists && row.target != IGNORED;
    u32 end = counts ? classes : 0;
    const Compute* margins = per_class;
    const Compute* weights = per_class + classes;

    Max max = {(Compute)-__longlong_as_double(0x7ff0000000000000LL), IGNORED};
#pragma unroll 4
    for (u32 k = row.first; k < end; k += row.step) {
        Compute logit = load(logits[row.start + k * row.stride]);
        if (logit > max.value) max = {logit, k};
    }
    max = reduce(max, width);

    Compute label = counts ? load(logits[row.start + row.target * row.stride]) : (Compute)0;
    Compute anchor = PENALTY && plan.target_anchor ? label : max.value;
    Sums sums = {0, 0, 0, 0};
#pragma unroll 4
    for (u32 k = row.first; k < end; k += row.step) {
        Compute logit = load(logits[row.start + k * row.stride]);
        add<PENALTY>(sums, plan, logit, max.value, anchor, PENALTY ? margins[k] : 0, PENALTY ? weights[k] : 0);
    }
    sums = reduce(sums, width);

    Factors factors;
    if (counts) {
        double weight = row_weights[row.target];
        Terms found = finish<PENALTY>(plan, sums, classes, label - max.value, max.value, weight * upstream, factors);
        if (row.first == 0) {
            terms = combine(terms, {weight * found.base, weight * found.top_logit, weight * found.second});
        }
    }
    if (GRADIENT && exists) {
#pragma unroll 4
        for (u32 k = row.first; k < classes; k += row.step) {
            u64 at = row.start + k * row.stride;
            // Independent of the logits of an ignored row: NaN times 0 would be NaN.
            Compute slope = 0;
            if (counts) {
                slope = slope_of<PENALTY>(plan, factors, load(logits[at]), max, anchor, PENALTY ? margins[k] : 0,
                                          PENALTY ? weights[k] : 0, k, row.target);
            }
            gradient[at] = store(slope);
        }
    }
}

// Logits [rows, classes]: `width` threads per row.
template <bool PENALTY, bool GRADIENT>
__device__ Terms rows(const Stored* __restrict__ logits, const u32* __restrict__ targets,
                      const double* __restrict__ row_weights, const Compute* __restrict__ per_class, const Plan& plan,
                      const Shape& shape, double upstream, Stored* __restrict__ gradient) {
    Terms terms = {0, 0, 0};
    u32 groups = blockDim.x / shape.width;
    // The same number of steps for every thread of a block, because they reduce together.
    for (u64 first = (u64)blockIdx.x * groups; first < shape.rows; first += (u64)gridDim.x * groups) {
        u64 n = first + threadIdx.x / shape.width;
        bool exists = n < shape.rows;
        u32 target = exists ? targets[n] : IGNORED;
        Row row = {n * shape.classes, 1, threadIdx.x % shape.width, shape.width, target};
        row_of<PENALTY, GRADIENT>(logits, row_weights, per_class, plan, row, shape.classes, shape.width, exists, upstream,
                                  gradient, terms);
    }
    return terms;
}

// Logits [images, classes, positions]: one thread per position, neighbours in adjacent threads.
template <bool PENALTY, bool GRADIENT>
__device__ Terms columns(const Stored* __restrict__ logits, const u32* __restrict__ targets,
                         const double* __restrict__ row_weights, const Compute* __restrict__ per_class, const Plan& plan,
                         const Shape& shape, double upstream, Stored* __restrict__ gradient) {
    Terms terms = {0, 0, 0};
    for (u64 n = (u64)blockIdx.x * blockDim.x + threadIdx.x; n < shape.rows; n += (u64)gridDim.x * blockDim.x) {
        u64 start = n / shape.positions * shape.classes * shape.positions + n % shape.positions;
        Row row = {start, shape.positions, 0, 1, targets[n]};
        row_of<PENALTY, GRADIENT>(logits, row_weights, per_class, plan, row, shape.classes, 1, true, upstream, gradient,
                                  terms);
    }
    return terms;
}

// Kernels for a layout: the sums of each block, and the gradient.
#define KERNELS(LAYOUT, SUFFIX, PENALTY)                                                                                  \
    extern "C" __global__ void __launch_bounds__(MAX_THREADS) LAYOUT##_terms##SUFFIX(                                     \
        const Stored* logits, const u32* targets, const double* row_weights, const Compute* per_class, const Plan plan,   \
        const Shape shape, double* partial) {                                                                             \
        Terms terms = LAYOUT<PENALTY, false>(logits, targets, row_weights, per_class, plan, shape, 1.0, 0);               \
        terms = reduce(terms, blockDim.x);                                                                                \
        if (threadIdx.x == 0) {                                                                                           \
            partial[3 * blockIdx.x] = terms.base;                                                                         \
            partial[3 * blockIdx.x + 1] = terms.top_logit;                                                                \
            partial[3 * blockIdx.x + 2] = terms.second;                                                                   \
        }                                                                                                                 \
    }                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(MAX_THREADS) LAYOUT##_gradient##SUFFIX(                                  \
        const Stored* logits, const u32* targets, const double* row_weights, const Compute* per_class, const Plan plan,   \
        const Shape shape, const Compute* upstream, Stored* gradient) {                                                   \
        LAYOUT<PENALTY, true>(logits, targets, row_weights, per_class, plan, shape, (double)upstream[0], gradient);       \
    }

KERNELS(rows, , false)
KERNELS(rows, _penalty, true)
KERNELS(columns, , false)
KERNELS(columns, _penalty, true)

// Adds the sums of blocks in order, in one block: the total, and terms [base, top logit, second].
extern "C" __global__ void __launch_bounds__(MAX_THREADS) add_terms(const double* partial, u32 blocks, const Plan plan,
                                                                    Compute* total, Compute* of_terms) {
    Terms terms = {0, 0, 0};
    for (u32 block = threadIdx.x; block < blocks; block += blockDim.x) {
        terms = combine(terms, {partial[3 * block], partial[3 * block + 1], partial[3 * block + 2]});
    }
    terms = reduce(terms, blockDim.x);
    if (threadIdx.x == 0) {
        // A loss without such a term must not add 0 times infinity, which is NaN.
        double top_logit = plan.has_top_logit ? plan.top_logit_weight * terms.top_logit : 0.0;
        double second = plan.has_second ? plan.second_weight * terms.second : 0.0;
        *total = (Compute)(plan.base_weight * terms.base + top_logit + second);
        of_terms[0] = (Compute)terms.base;
        of_terms[1] = (Compute)terms.top_logit;
        of_terms[2] = (Compute)terms.second;
    }
}
