//! The examples of the help texts.

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  a check of --fail-if failed
  2  an argument or a file is wrong; one line on standard error says what and where";

pub(super) const EVAL_EXAMPLES: &str = "\
Examples:
  mbls eval predictions.npz                       arrays `logits` (or `probs`) and `labels`
  mbls eval logits.npy --labels-file labels.npy   scores and labels in two files
  mbls eval before.npz after.npz                  two models side by side
  mbls eval test.csv --group-by hospital          each group, and the worst one
  mbls eval test.npz --format json --no-intervals
  mbls eval test.npz --fail-if 'ece>0.05'         exit code 1 for a CI pipeline
  mbls eval masks.npz --ignore-index 255          logits [N, C, H, W], labels [N, H, W]

Files are .npy, .npz, .safetensors, .pt and .pth, pickles of NumPy arrays, CSV and TSV with a header,
or JSON lines, the text forms also compressed by gzip, recognised by their content.
Scores are an array `logits`, `probs`, `scores` or `predictions` (see --scores for others), or
columns such as prob_0, prob_1, .. ; labels are `labels`, `targets` or `y`. A text file may have
the columns true_label, pred_label and confidence instead.

Exit codes:
  0  fine
  1  a check of --fail-if failed
  2  an argument or a file is wrong";

pub(super) const CALIBRATE_EXAMPLES: &str = "\
Examples:
  mbls calibrate --fit val.npz --apply test.npz
  mbls calibrate --fit val.npz --apply test.npz --method all
  mbls calibrate --fit val.npz --save calibrator.json
  mbls calibrate --fit val.npz --apply test.npz --out calibrated.npy

The method `all` compares every method by cross-validated log-loss on the rows of --fit, and says
whether the best one is better than temperature scaling by more than noise. Rows are held in memory.";

pub(super) const APPLY_EXAMPLES: &str = "\
Examples:
  mbls calibrate --fit val.npz --save calibrator.json
  mbls apply calibrator.json new.npz --out calibrated.npy";

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  mbls compare before.npz after.npz
  mbls compare a.csv b.csv --format json

Both files have the same rows in the same order. A verdict is given where the paired bootstrap
interval of the difference excludes 0. Fourteen metrics are compared: a single interval that
excludes 0 narrowly is weak evidence.";

pub(super) const OOD_EXAMPLES: &str = "\
Examples:
  mbls ood test.npz other-dataset.npz
  mbls ood test.npy other.npy --logits --format json

Neither file needs labels. AUROC, average precision of either side and the share of
out-of-distribution rows that pass where 95 % of the others do, by confidence, entropy, margin and,
for logits, energy.";

pub(super) const SELECT_EXAMPLES: &str = "\
Examples:
  mbls select val.npz                   risks of usual coverages
  mbls select val.npz --risk 0.01       at most 1 % wrong answers, with 95 % probability
  mbls select val.npz --coverage 0.8    the threshold that answers 80 %

The guarantee is for new rows of the same distribution as those of the file. For --risk, coverages of
1 %, 2 % .. 100 % are tried, with bounds that hold for all of them together.";

pub(super) const MERGE_EXAMPLES: &str = "\
Examples:
  mbls eval shard0.npz --save-state shard0.json   on one machine
  mbls eval shard1.npz --save-state shard1.json   on another
  mbls merge shard0.json shard1.json              the same numbers as one pass over all rows

States keep no single rows of scores, so merged results have no bootstrap intervals.";
