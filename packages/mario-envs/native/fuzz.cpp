// Tries to make the machine crash, hang, or depend on what it must not: random ROM files, random programs
// that poke every register, random saved states and damaged ones. Built by the CMake options MARIO_FUZZ and
// MARIO_SANITIZE; `fuzz SECONDS [SEED]` exits 0 if nothing was found.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "batch.hpp"
#include "state.hpp"

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

int pick(Random& random, int below) {
    return static_cast<int>(random() % static_cast<uint64_t>(below));
}

void fail(const char* what) {
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::exit(1);
}

Bytes random_bytes(Random& random, size_t size) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    return bytes;
}

Bytes header(Random& random) {
    Bytes file = {'N',
                  'E',
                  'S',
                  0x1A,
                  static_cast<uint8_t>(1 + pick(random, 2)),
                  static_cast<uint8_t>(pick(random, 2)),
                  static_cast<uint8_t>(pick(random, 2)),
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0};
    return file;
}

/// Pure noise as a program: meets every opcode, jumps anywhere, executes RAM and registers.
Bytes noise_rom(Random& random) {
    Bytes file = header(random);
    const Bytes body = random_bytes(random, file[4] * 0x4000u + file[5] * 0x2000u);
    file.insert(file.end(), body.begin(), body.end());
    return file;
}

/// Instructions that make sense, with many accesses to registers, ending in a jump back.
Bytes program_rom(Random& random) {
    constexpr uint8_t kRead[] = {0xAD, 0x2C, 0xCD, 0x0D, 0xBD, 0xB9};
    constexpr uint8_t kWrite[] = {0x8D, 0x8E, 0x8C, 0x9D, 0x99, 0xEE, 0xCE, 0x0E, 0x6E};
    Bytes file = header(random);
    Bytes program = random_bytes(random, file[4] * 0x4000u);
    size_t at = 0;
    const auto emit = [&](int byte) { program[at++] = static_cast<uint8_t>(byte); };
    while (at < 0x600) {
        const int reg = pick(random, 3) ? 0x2000 + pick(random, 8) : 0x4000 + pick(random, 0x18);
        switch (pick(random, 6)) {
            case 0:
                emit(kRead[pick(random, 6)]);
                emit(reg);
                emit(reg >> 8);
                break;
            case 1:
                emit(0xA9);
                emit(static_cast<int>(random() & 0xFF));
                break;
            case 2:
                emit(kWrite[pick(random, 9)]);
                emit(reg);
                emit(reg >> 8);
                break;
            case 3:
                emit(0xAD);
                emit(0x02);
                emit(0x20);
                emit(pick(random, 2) ? 0x10 : 0x30);
                emit(0xFB);
                break;
            case 4:
                emit(0xA0);
                emit(static_cast<int>(random() & 0xFF));
                emit(0x88);
                emit(0xD0);
                emit(0xFD);
                break;
            default:
                emit(pick(random, 2) ? 0x58 : 0x78);
                emit(0xE6);
                emit(static_cast<int>(random() & 0xFF));
                break;
        }
    }
    emit(0x4C);
    emit(0x00);
    emit(0x80);
    program[0x700] = 0x40;  // RTI
    const size_t vectors = program.size() - 6;
    const uint8_t addresses[6] = {0x00, 0x87, 0x00, 0x80, 0x00, 0x87};
    std::memcpy(program.data() + vectors, addresses, 6);
    file.insert(file.end(), program.begin(), program.end());
    const Bytes patterns = random_bytes(random, file[5] * 0x2000u);
    file.insert(file.end(), patterns.begin(), patterns.end());
    return file;
}

/// A saved state with some bytes replaced and its checksum made right again, as a malicious one would be.
Bytes forged(Random& random, const Bytes& state) {
    constexpr size_t kHeader = 40, kChecksumAt = 24;
    Bytes bytes = state;
    const int changes = pick(random, 3) == 0 ? 2000 : 1 + pick(random, 20);
    for (int i = 0; i < changes; ++i)
        bytes[kHeader + random() % (bytes.size() - kHeader)] =
            pick(random, 3) ? static_cast<uint8_t>(random()) : 0xFF;
    const uint64_t sum = nes::checksum(bytes.data() + kHeader, bytes.size() - kHeader);
    std::memcpy(bytes.data() + kChecksumAt, &sum, sizeof sum);
    return bytes;
}

bool try_restore(nes::Machine& machine, const Bytes& bytes) {
    try {
        nes::restore_state(machine, bytes.data(), bytes.size());
        return true;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

void play(Random& random, nes::Machine& fast, nes::Machine& plain, int frames) {
    static nes::Picture picture;
    uint8_t small[84 * 84];
    for (int i = 0; i < frames; ++i) {
        const nes::Buttons buttons = static_cast<nes::Buttons>(random());
        const auto draw = static_cast<nes::Ppu::Draw>(pick(random, 3));
        fast.run_frame(buttons, draw, &picture);
        if (draw == nes::Ppu::Draw::kGray) nes::reduce(picture, 84, 84, small);
        plain.run_frame(buttons);
        if (nes::save_state(fast) != nes::save_state(plain)) fail("shortcuts or drawing changed the result");
    }
    fast.draw_again(nes::Ppu::Draw::kIndex, &picture);
    const size_t height = 1 + random() % 240, width = 1 + random() % 256;
    Bytes reduced(height * width);
    nes::reduce(picture, static_cast<int>(height), static_cast<int>(width), reduced.data());
}

void one_cartridge(Random& random) {
    const Bytes file = pick(random, 2) ? noise_rom(random) : program_rom(random);
    const auto cartridge = std::make_shared<const nes::Cartridge>(file.data(), file.size());
    nes::Machine fast(cartridge, true), plain(cartridge, false);
    play(random, fast, plain, 8);
    for (int i = 0; i < 6; ++i) {
        const Bytes state = forged(random, nes::save_state(fast));
        if (try_restore(fast, state) != try_restore(plain, state))
            fail("one machine took a state, another did not");
        play(random, fast, plain, 4);
    }
    Bytes damaged = nes::save_state(fast);
    damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1 + pick(random, 255));
    if (try_restore(fast, damaged)) fail("a damaged state was taken");
}

void random_file(Random& random) {
    Bytes file = pick(random, 2) ? noise_rom(random) : random_bytes(random, 1 + random() % 64);
    for (int i = 0; i < 3; ++i)
        file[random() % std::min<size_t>(file.size(), 16)] = static_cast<uint8_t>(random());
    file.resize(random() % (file.size() + 1));
    try {
        nes::Cartridge(file.data(), file.size());
    } catch (const std::invalid_argument&) {
    }
}

void batches(Random& random) {
    const Bytes file = program_rom(random);
    const auto cartridge = std::make_shared<const nes::Cartridge>(file.data(), file.size());
    constexpr int kLanes = 5;
    std::vector<Bytes> kept(
        3, Bytes(kLanes * 2 * 84 * 84));  // outlives the batch, which may end with lanes in flight
    nes::Batch batch(cartridge, kLanes, 1 + pick(random, 4), true);
    for (int round = 0; round < 3; ++round) {
        int64_t lanes[kLanes] = {4, 2, 0, 1, 3};
        int32_t frames[kLanes], keep[2 * kLanes], ran[kLanes];
        int32_t holds[6 * kLanes], released[6 * kLanes] = {};
        Bytes& pictures = kept[round];
        for (int i = 0; i < kLanes; ++i) {
            frames[i] = 1 + pick(random, 5);
            keep[2 * i] = 0;
            keep[2 * i + 1] = pick(random, 9);
        }
        for (int32_t& hold : holds) hold = pick(random, 6);
        nes::Request request;
        request.rows = kLanes;
        request.lanes = lanes;
        request.frames = frames;
        request.holds = holds;
        request.released = released;
        request.stops = {{pick(random, 2048), 0, 3}};
        request.kept = 2;
        request.keep = keep;
        request.height = request.width = 84;
        request.pictures = pictures.data();
        request.ran = ran;
        if (pick(random, 2)) {
            batch.run(request);
        } else {
            batch.send(request);
            if (round < 2)
                for (size_t left = kLanes; left;) left -= batch.receive(1 + pick(random, kLanes)).size();
        }
    }
}

}  // namespace

int main(int count, char** arguments) {
    const double seconds = count > 1 ? std::atof(arguments[1]) : 10;
    const uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
    Random random(seed);
    const auto start = std::chrono::steady_clock::now();
    long cartridges = 0;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
        one_cartridge(random);
        random_file(random);
        if (cartridges % 8 == 0) batches(random);
        ++cartridges;
    }
    std::printf("%ld cartridges, nothing found\n", cartridges);
    return 0;
}
