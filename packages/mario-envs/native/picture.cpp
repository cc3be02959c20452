#include "picture.hpp"

#include <array>
#include <cmath>
#include <cstring>

namespace nes {
namespace {

constexpr int kColors = 64, kEmphases = 8;

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

/// Which source pixels an output pixel covers, in parts of 1/outputs of a pixel.
struct Cover {
    int first, last;            ///< source pixels, inclusive
    int first_part, last_part;  ///< how much of those two; all between count in full
};

Cover cover(int output, int outputs, int sources) {
    const int begin = output * sources, end = begin + sources;  // in units of 1/outputs
    Cover result{};
    result.first = begin / outputs;
    result.last = (end - 1) / outputs;
    if (result.first == result.last) {
        result.first_part = sources;
        result.last_part = 0;
    } else {
        result.first_part = (result.first + 1) * outputs - begin;
        result.last_part = end - result.last * outputs;
    }
    return result;
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
    std::array<Cover, kWidth> columns;
    for (int x = 0; x < width; ++x) columns[static_cast<size_t>(x)] = cover(x, width, kWidth);
    constexpr uint32_t kWhole = kHeight * kWidth;
    // Rows first, all columns at once, which the compiler turns into vector instructions: a column's sum of
    // weighted grays is at most 240 x 255 and fits 16 bits.
    uint16_t sums[kWidth];
    for (int y = 0; y < height; ++y, out += width) {
        const Cover rows = cover(y, height, kHeight);
        const uint8_t* row = picture.row(rows.first);
        for (int x = 0; x < kWidth; ++x) sums[x] = static_cast<uint16_t>(row[x] * rows.first_part);
        for (int source = rows.first + 1; source <= rows.last; ++source) {
            row = picture.row(source);
            const int part = source == rows.last ? rows.last_part : height;
            for (int x = 0; x < kWidth; ++x) sums[x] = static_cast<uint16_t>(sums[x] + row[x] * part);
        }
        for (int x = 0; x < width; ++x) {
            const Cover& c = columns[static_cast<size_t>(x)];
            uint32_t total = static_cast<uint32_t>(sums[c.first] * c.first_part + sums[c.last] * c.last_part);
            uint32_t between = 0;
            for (int source = c.first + 1; source < c.last; ++source) between += sums[source];
            total += between * static_cast<uint32_t>(width);
            out[x] = static_cast<uint8_t>((total + kWhole / 2) / kWhole);
        }
    }
}

}  // namespace nes
