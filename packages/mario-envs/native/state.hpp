#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nes {

class Machine;

/// A version of the bytes below; changed whenever ConsoleState or anything that it means changes.
constexpr uint32_t kStateVersion = 1;

/// The bytes of one console, at most 16 KiB: header, ConsoleState, and what it takes to draw the last frame's
/// picture again (left out for cartridges with pattern RAM, whose states would grow too large: their picture
/// is black after a restore until the next frame).
std::vector<uint8_t> save_state(const Machine& machine);

/// Continues from saved bytes. Throws std::invalid_argument with one line that says why they cannot be used;
/// the machine is then unchanged. Bytes that pass but were made up can give a confused console, never one
/// that reaches outside its memory or whose frames do not end.
void restore_state(Machine& machine, const uint8_t* bytes, size_t size);

}  // namespace nes
