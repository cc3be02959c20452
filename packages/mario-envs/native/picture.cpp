#include "picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

namespace nes {
namespace {

constexpr int kColors = 64, kEmphases = 8;
/// Outputs and weights are padded with zeros to whole vectors of this many.
constexpr int kLanes = 8;

/// Colors of the composite signal as a television decodes it. NESdev wiki, "NTSC video": an index is a level
/// (bits 4-5) and a hue (bits 0-3); within each of 12 phases the signal is at the level's low or high
/// voltage, and an emphasis bit weakens the phases of the two other primaries.
struct Palette {
    uint8_t rgb[kEmphases][kColors][3];
    uint8_t gray[kEmphases][kColors];

    Palette() {
        for (int emphasis = 0; emphasis < kEmphases; ++emphasis)
            for (int index = 0; index < kColors; ++index) fill(index, emphasis);
    }

  private:
    static bool in_phase(int hue, int phase) { return (hue + phase) % 12 < 6; }

    static double voltage(int index, int emphasis, int phase) {
        constexpr double kLow[4] = {0.350, 0.518, 0.962, 1.550};
        constexpr double kHigh[4] = {1.094, 1.506, 1.962, 1.962};
        constexpr double kBlack = 0.518, kWhite = 1.962, kWeakened = 0.746;
        const int hue = index & 15;
        int level = index >> 4 & 3;
        if (hue >= 14) level = 1;  // black
        double low = kLow[level], high = kHigh[level];
        if (hue == 0) low = high;
        if (hue >= 13) high = low;
        double volts = in_phase(hue, phase) ? high : low;
        if (hue < 14 && ((emphasis & 1 && in_phase(0, phase)) || (emphasis & 2 && in_phase(4, phase)) ||
                         (emphasis & 4 && in_phase(8, phase))))
            volts *= kWeakened;
        return (volts - kBlack) / (kWhite - kBlack);
    }

    static uint8_t to_byte(double value) {
        return static_cast<uint8_t>(std::lround(std::fmin(std::fmax(value, 0.0), 1.0) * 255.0));
    }

    void fill(int index, int emphasis) {
        constexpr double kPi = 3.14159265358979323846, kHueOffset = 3.9;  // the color burst's place
        double y = 0, i = 0, q = 0;
        for (int phase = 0; phase < 12; ++phase) {
            const double level = voltage(index, emphasis, phase) / 12;
            y += level;
            i += level * std::cos(kPi * (phase + kHueOffset) / 6);
            q += level * std::sin(kPi * (phase + kHueOffset) / 6);
        }
        i *= 2;  // demodulation halves the color signal
        q *= 2;
        uint8_t* out = rgb[emphasis][index];
        out[0] = to_byte(y + 0.946882 * i + 0.623557 * q);  // FCC's YIQ
        out[1] = to_byte(y - 0.274788 * i - 0.635691 * q);
        out[2] = to_byte(y - 1.108545 * i + 1.709007 * q);
        gray[emphasis][index] =
            static_cast<uint8_t>((299 * out[0] + 587 * out[1] + 114 * out[2] + 500) / 1000);
    }
};

const Palette& palette() {
    static const Palette kPalette;
    return kPalette;
}

/// How an axis of `sources` pixels is reduced to fewer: each output's first source and the weights of the
/// sources from there on, in units of 1/outputs of a pixel, so that they are whole and sum to `sources`.
struct Axis {
    int outputs = 0, taps = 0;
    std::vector<int> first, count;  ///< `count` of the weights are not 0
    std::vector<int16_t> weights;   ///< [outputs, taps]

    Axis(int outputs_, int sources) : outputs(outputs_) {
        taps = (sources + outputs - 1) / outputs + 1;
        taps = (taps + kLanes - 1) / kLanes * kLanes;
        const int padded = (outputs + kLanes - 1) / kLanes * kLanes;
        weights.assign(static_cast<size_t>(padded * taps), 0);
        for (int out = 0; out < outputs; ++out) {
            const int begin = out * sources, end = begin + sources;
            first.push_back(begin / outputs);
            count.push_back((end - 1) / outputs - first.back() + 1);
            for (int tap = 0; tap < taps; ++tap) {
                const int pixel = (first.back() + tap) * outputs;
                const int part = std::min(pixel + outputs, end) - std::max(pixel, begin);
                weights[static_cast<size_t>(out * taps + tap)] = static_cast<int16_t>(std::max(part, 0));
            }
        }
        first.resize(static_cast<size_t>(padded), 0);
    }
};

/// Both axes of the size that this thread reduced to last; it is nearly always the same.
struct Scale {
    Axis rows, columns;

    static const Scale& of(int height, int width) {
        static thread_local std::unique_ptr<Scale> last;
        if (!last || last->rows.outputs != height || last->columns.outputs != width)
            last.reset(new Scale{Axis(height, kHeight), Axis(width, kWidth)});
        return *last;
    }
};

/// Weighted sum of `count` rows, less 0x8000, for each of 256 columns.
void sum_rows(const uint8_t* row, const int16_t* weights, int count, int16_t* sums) {
#if defined(__SSE2__) || defined(_M_X64)
    // Every x86-64 has SSE2; compilers leave the sums of the loop below in memory.
    constexpr int kBlock = 32;
    const __m128i zero = _mm_setzero_si128(), bias = _mm_set1_epi16(-0x8000);
    for (int x = 0; x < kWidth; x += kBlock) {
        __m128i sum[4] = {bias, bias, bias, bias};
        const uint8_t* from = row + x;
        for (int tap = 0; tap < count; ++tap, from += Picture::kStride) {
            const __m128i weight = _mm_set1_epi16(weights[tap]);
            for (int half = 0; half < 2; ++half) {
                const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 16 * half));
                const __m128i low = _mm_unpacklo_epi8(pixels, zero), high = _mm_unpackhi_epi8(pixels, zero);
                sum[2 * half] = _mm_add_epi16(sum[2 * half], _mm_mullo_epi16(low, weight));
                sum[2 * half + 1] = _mm_add_epi16(sum[2 * half + 1], _mm_mullo_epi16(high, weight));
            }
        }
        for (int i = 0; i < 4; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(sums + x + 8 * i), sum[i]);
    }
#else
    constexpr int kBlock = 32;
    for (int x = 0; x < kWidth; x += kBlock) {
        uint16_t block[kBlock];
        for (int i = 0; i < kBlock; ++i) block[i] = 0x8000;
        for (int tap = 0; tap < count; ++tap) {
            const uint8_t* from = row + tap * Picture::kStride + x;
            const uint16_t weight = static_cast<uint16_t>(weights[tap]);
            for (int i = 0; i < kBlock; ++i) block[i] = static_cast<uint16_t>(block[i] + from[i] * weight);
        }
        std::memcpy(sums + x, block, sizeof block);
    }
#endif
}

/// The second pass for eight outputs at once, from biased sums to rounded bytes.
void mix_columns(const int16_t* sums, const int* first, const int16_t* weights, int taps, uint8_t* out) {
    // The bias is worth kBias, and every divisor is 240 x 256 = 15 << 12.
    constexpr int32_t kBias = 0x8000 * kWidth, kHalf = kHeight * kWidth / 2;
#if defined(__SSE2__) || defined(_M_X64)
    // Compilers do not find the multiply-and-add of pairs in the loop below by themselves.
    if (taps == kLanes) {
        __m128i totals[2];
        for (int half = 0; half < 2; ++half) {
            __m128i part[4];
            for (int i = 0; i < 4; ++i) {
                const int at = 4 * half + i;
                const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sums + first[at]));
                const __m128i factors =
                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + kLanes * at));
                part[i] = _mm_madd_epi16(values, factors);
            }
            const __m128i left =
                _mm_add_epi32(_mm_unpacklo_epi32(part[0], part[1]), _mm_unpackhi_epi32(part[0], part[1]));
            const __m128i right =
                _mm_add_epi32(_mm_unpacklo_epi32(part[2], part[3]), _mm_unpackhi_epi32(part[2], part[3]));
            const __m128i sum =
                _mm_add_epi32(_mm_unpacklo_epi64(left, right), _mm_unpackhi_epi64(left, right));
            totals[half] = _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kBias + kHalf)), 12);
        }
        // n / 15 is n * 4370 >> 16 for every n up to 3839, and these are less.
        const __m128i quotients =
            _mm_mulhi_epu16(_mm_packs_epi32(totals[0], totals[1]), _mm_set1_epi16(4370));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(quotients, quotients));
        return;
    }
#endif
    for (int i = 0; i < kLanes; ++i) {
        int32_t total = kBias + kHalf;
        for (int tap = 0; tap < taps; ++tap) total += sums[first[i] + tap] * weights[i * taps + tap];
        out[i] = static_cast<uint8_t>(total / (kHeight * kWidth));
    }
}

}  // namespace

const uint8_t* rgb(int index, int emphasis) {
    return palette().rgb[emphasis & 7][index & 63];
}
uint8_t gray(int index, int emphasis) {
    return palette().gray[emphasis & 7][index & 63];
}

void write_rgb(const Picture& picture, uint8_t* out) {
    for (int y = 0; y < kHeight; ++y) {
        const uint8_t* row = picture.row(y);
        for (int x = 0; x < kWidth; ++x, out += 3) std::memcpy(out, rgb(row[x], picture.emphasis[y]), 3);
    }
}

void reduce(const Picture& picture, int height, int width, uint8_t* out) {
    if (height == kHeight && width == kWidth) {
        for (int y = 0; y < kHeight; ++y) std::memcpy(out + y * kWidth, picture.row(y), kWidth);
        return;
    }
    const Scale& scale = Scale::of(height, width);
    const Axis &rows = scale.rows, &columns = scale.columns;
    // Rows first: a column's weighted sum is at most 240 x 255 and fits 16 bits. Less 0x8000 it is a signed
    // number, as multiply-and-add instructions want.
    int16_t sums[kWidth + kWidth + 2 * kLanes] = {};
    uint8_t line[kWidth + kLanes];
    for (int y = 0; y < height; ++y, out += width) {
        const size_t i = static_cast<size_t>(y);
        sum_rows(picture.row(rows.first[i]), rows.weights.data() + y * rows.taps, rows.count[i], sums);
        for (int x = 0; x < width; x += kLanes)
            mix_columns(sums, columns.first.data() + x, columns.weights.data() + x * columns.taps,
                        columns.taps, line + x);
        std::memcpy(out, line, static_cast<size_t>(width));
    }
}

}  // namespace nes
