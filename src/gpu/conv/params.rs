//! The uniform blocks of the convolution kernels, listed once: templates print their WGSL structs from here.

/// A block of 32-bit words with the names that the shader sees.
macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $wgsl:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct $name { $($(#[$field_doc])* pub $field: $type),* }

        impl $name {
            /// Names and WGSL types, in order.
            pub(crate) const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), $wgsl)),*];

            /// The words, up to a multiple of 16 bytes.
            pub(crate) fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(Self::FIELDS.len().next_multiple_of(4) * 4);
                $(bytes.extend_from_slice(&self.$field.to_le_bytes());)*
                bytes.resize(bytes.len().next_multiple_of(16), 0);
                bytes
            }
        }
    };
}

block! {
    /// What a convolution kernel reads. "Elements" of x and y are what a kernel loads and stores at once: four
    /// channels or one. Arithmetic wraps around at 32 bits, so that positions may be negative on the way.
    Params {
        /// First element of each array inside of its binding. The caller fills these five in.
        x_first: u32 = "u32",
        /// In vectors of four output channels.
        w_first: u32 = "u32",
        /// In output channels.
        b_first: u32 = "u32",
        /// Of the residual, in elements of y.
        r_first: u32 = "u32",
        y_first: u32 = "u32",
        /// Whether there is a bias, and a residual.
        bias: u32 = "u32",
        residual: u32 = "u32",
        /// See [`super::Activation`].
        activation: u32 = "u32",
        act_low: f32 = "f32",
        act_high: f32 = "f32",
        /// Outputs of the lattice, of all images.
        pixels: u32 = "u32",
        /// 1 if the lattice is all of y: its outputs follow each other.
        dense: u32 = "u32",
        /// Size of x.
        id: u32 = "u32", ih: u32 = "u32", iw: u32 = "u32",
        /// Elements of x from a group to the next.
        x_group: u32 = "u32",
        /// Size of the lattice.
        od: u32 = "u32", oh: u32 = "u32", ow: u32 = "u32",
        /// Elements of y from a group to the next.
        y_group: u32 = "u32",
        /// Elements of x from an image, plane, row, column to the next.
        xn: u32 = "u32", xd: u32 = "u32", xh: u32 = "u32", xw: u32 = "u32",
        /// Elements of y from an image, plane, row, column of the lattice to the next.
        yn: u32 = "u32", yd: u32 = "u32", yh: u32 = "u32", yw: u32 = "u32",
        /// Positions in x from an output to the next.
        sd: u32 = "u32", sh: u32 = "u32", sw: u32 = "u32",
        /// Stages of the summation, of each part of it.
        k_stages: u32 = "u32",
        /// How far before x the first tap of the first output lies.
        pd: u32 = "u32", ph: u32 = "u32", pw: u32 = "u32",
        /// Vectors of output channels in a row of packed weights.
        columns: u32 = "u32",
        /// Positions from a tap to the next.
        dd: u32 = "u32", dh: u32 = "u32", dw: u32 = "u32",
        /// Output channels of a group.
        out_channels: u32 = "u32",
        /// Taps.
        kd: u32 = "u32", kh: u32 = "u32", kw: u32 = "u32",
        /// Elements of a tap (of a row of taps for the stem).
        n_ic: u32 = "u32",
        /// A stage's elements as digits of (channel, column, row, plane of taps), and as a distance in x.
        step_ic: u32 = "u32", step_kx: u32 = "u32", step_ky: u32 = "u32", step_kz: u32 = "u32",
        step_off: u32 = "u32",
        /// What the distance changes by where a digit wraps.
        wrap_ic: u32 = "u32", wrap_kx: u32 = "u32", wrap_ky: u32 = "u32",
        /// Numbers in a row of taps.
        row_len: u32 = "u32",
        /// Vectors of packed weights from a group to the next.
        w_group: u32 = "u32",
        /// Tiles (or vectors) side by side along the output channels.
        column_tiles: u32 = "u32",
        /// Parts of the summation.
        splits: u32 = "u32",
    }
}

block! {
    /// What the kernel reads that lays weights out as [group][row][column], rows being (plane, row of taps, column,
    /// input channel), all padded with zeros.
    PackParams {
        w_first: u32 = "u32",
        y_first: u32 = "u32",
        /// Vectors of the result.
        total: u32 = "u32",
        columns: u32 = "u32",
        rows: u32 = "u32",
        /// Numbers in a row of taps, with and without padding.
        row_pad: u32 = "u32",
        row_len: u32 = "u32",
        /// Input channels of a group, with and without padding.
        ic_pad: u32 = "u32",
        in_channels: u32 = "u32",
        out_channels: u32 = "u32",
        kd: u32 = "u32", kh: u32 = "u32",
        /// Elements of w from a group, output channel, input channel, plane, row, column of taps to the next.
        wg: u32 = "u32", wo: u32 = "u32", wi: u32 = "u32", wz: u32 = "u32", wy: u32 = "u32", wx: u32 = "u32",
    }
}

block! {
    /// What the kernel reads that copies x to channels-last memory with zeros around it.
    StageParams {
        x_first: u32 = "u32",
        /// Elements of x from an image, channel, plane, row, column to the next.
        xn: u32 = "u32", xc: u32 = "u32", xd: u32 = "u32", xh: u32 = "u32", xw: u32 = "u32",
        y_first: u32 = "u32",
        /// Numbers of the result.
        total: u32 = "u32",
        /// Channels of a group, with and without padding.
        in_channels: u32 = "u32",
        ic_pad: u32 = "u32",
        groups: u32 = "u32",
        id: u32 = "u32", ih: u32 = "u32", iw: u32 = "u32",
        /// Size of the result and the place of x in it.
        od: u32 = "u32", oh: u32 = "u32", ow: u32 = "u32",
        pd: u32 = "u32", ph: u32 = "u32", pw: u32 = "u32",
    }
}
