/// Returns the colour of a class in maps, masks and overlays, from PASCAL VOC's colour map. Class 0
/// is black.
///
/// ```
/// use mbls_seg::metric::class_colour;
///
/// let colours = [0, 1, 15, 255].map(class_colour);
/// assert_eq!(colours, [[0, 0, 0], [128, 0, 0], [192, 128, 128], [224, 224, 192]]);
/// ```
pub fn class_colour(class: u8) -> [u8; 3] {
    // Bits 0, 3 and 6 of the class are the highest bits of red, 1, 4 and 7 those of green, 2 and 5
    // those of blue.
    let channel = |first: u32| {
        (0..3).fold(0, |colour, bit| {
            colour | (u32::from(class) >> (3 * bit + first) & 1) << (7 - bit)
        })
    };
    [channel(0), channel(1), channel(2)].map(|colour| colour as u8)
}
