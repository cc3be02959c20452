#pragma once

#include <cstdint>

namespace nes {

constexpr int kWidth = 256;
constexpr int kHeight = 240;

/// What one frame's drawing writes into. Rows have room on both sides for tiles and sprites that stick out.
struct Picture {
    static constexpr int kMargin = 16;
    static constexpr int kStride = kWidth + 2 * kMargin;

    uint8_t pixels[kHeight * kStride];  ///< grays or palette indexes (0-63), as asked for
    uint8_t emphasis[kHeight];          ///< the three emphasis bits at the end of each row

    uint8_t* row(int y) { return pixels + y * kStride + kMargin; }
    const uint8_t* row(int y) const { return pixels + y * kStride + kMargin; }
};

/// Red, green and blue of a palette index under the three emphasis bits (red 1, green 2, blue 4).
const uint8_t* rgb(int index, int emphasis);

/// ITU-R 601 luma of the same.
uint8_t gray(int index, int emphasis);

/// Writes a picture of palette indexes as RGB, `[240, 256, 3]`.
void write_rgb(const Picture& picture, uint8_t* out);

/// Reduces grays to `height` x `width` (1 to 240, 1 to 256), each output pixel the mean of the area it
/// covers, rounded half up.
void reduce(const Picture& picture, int height, int width, uint8_t* out);

}  // namespace nes
