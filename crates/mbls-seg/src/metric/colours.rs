/// The colour of a class in maps: that of PASCAL VOC's colour map, whose first is black. It repeats after 256 classes.
///
/// ```
/// use mbls_seg::metric::class_colour;
///
/// assert_eq!([class_colour(0), class_colour(1), class_colour(15)], [[0, 0, 0], [128, 0, 0], [192, 128, 128]]);
/// ```
pub fn class_colour(class: u32) -> [u8; 3] {
    // Bits 0, 1 and 2 of the class become the highest of red, green and blue, bits 3, 4 and 5 the next ones, and so on.
    let channel =
        |first: u32| (0..3).fold(0u8, |value, step| value | ((class >> (3 * step + first) & 1) as u8) << (7 - step));
    if class < 256 { [channel(0), channel(1), channel(2)] } else { class_colour(class % 256) }
}
