#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "apu.hpp"
#include "cartridge.hpp"
#include "cpu.hpp"
#include "picture.hpp"
#include "ppu.hpp"

namespace nes {

constexpr int kRamSize = 0x800;

/// One bit per button, in the order in which the controller shifts them out:
/// A, B, Select, Start, up, down, left, right.
using Buttons = uint8_t;

/// Everything that a console remembers from one frame to the next, but for pattern RAM. It has no gaps and
/// no pointers, so a saved state is a copy of it.
struct ConsoleState {
    uint8_t ram[kRamSize] = {};
    PpuState ppu;
    ApuState apu;
    int32_t now = 0;    ///< when the next instruction begins, in dots of this frame
    uint64_t dots = 0;  ///< from power-on to this frame's beginning
    CpuState cpu;
    uint8_t buttons[2] = {};  ///< held down in this frame, by controller
    uint8_t shift[2] = {};    ///< what each controller has left to shift out
    uint8_t strobe = 0;
    uint8_t unused = 0;
};

/// One console with a cartridge in it. Nothing is shared between machines but the cartridge, which nobody
/// changes; a machine belongs to one thread at a time.
class Machine {
  public:
    /// With `shortcuts` off every instruction is executed, one by one, from its bytes: the reference that
    /// the shortcuts (reading ahead, skipping loops that wait) are tested against.
    Machine(std::shared_ptr<const Cartridge> cartridge, bool shortcuts);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    /// As if the console had never run.
    void power_on();

    /// Runs to the next vertical blank (line 241, dot 1), before its NMI is taken, with these buttons held on
    /// the first controller. Draws the frame's picture if asked to.
    void run_frame(Buttons buttons, Ppu::Draw draw = Ppu::Draw::kNothing, Picture* picture = nullptr);

    /// Draws the last frame's picture by running the frame once more; false if none has run. Changes nothing.
    bool draw_again(Ppu::Draw draw, Picture* picture);

    uint8_t* ram() { return state_.ram; }
    const uint8_t* ram() const { return state_.ram; }
    const CpuState& cpu() const { return state_.cpu; }
    const Cartridge& cartridge() const { return *cartridge_; }

  private:
    friend std::vector<uint8_t> save_state(const Machine&);
    friend void restore_state(Machine&, const uint8_t*, size_t);
    friend struct ConsoleBus;

    void run_until_frame_ends();
    void execute_some();
    void take_interrupt(uint16_t vector);
    int32_t next_event() const;
    int32_t nmi_due() const;

    uint32_t read_register(uint32_t address, int32_t now, int early);
    struct Clocks {
        int32_t now, limit;
    };
    Clocks write_register(uint32_t address, uint8_t value, Clocks clocks, int early);
    int32_t copy_sprites(uint8_t page, int32_t now, int early);

    std::shared_ptr<const Cartridge> cartridge_;
    bool shortcuts_;
    bool has_run_ = false;  ///< whether `before_` holds the beginning of a frame
    ConsoleState state_;
    ConsoleState before_;  ///< as the last frame began, its buttons already set
    std::vector<uint8_t> pattern_ram_, pattern_ram_before_;
    Ppu ppu_;
};

}  // namespace nes
