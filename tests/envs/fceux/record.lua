-- Plays 900 frames from power-on, writes them as FCEUX's own movie, and its memory after each.
--   OUT=/tmp/world xvfb-run -a fceux --sound 0 --loadlua tests/envs/fceux/record.lua World.nes
local out = os.getenv("OUT")
local memory_of_frames = io.open(out .. ".ram", "wb")
movie.record(out .. ".fm2", 0)
local seed, frames_left, held = 12345, 0, {}
local function draw(n)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return math.floor(seed / 65536) % n
end
for frame = 1, 900 do
  if frame == 50 then
    joypad.set(1, { start = true })
  elseif frame > 230 then
    if frames_left == 0 then
      frames_left = 4 + draw(30)
      local right = draw(10) < 8
      held = { right = right, left = not right, A = draw(2) == 0, B = draw(10) < 8 }
    end
    frames_left = frames_left - 1
    joypad.set(1, held)
  end
  emu.frameadvance()
  memory_of_frames:write(memory.readbyterange(0, 0x800))
end
memory_of_frames:close()
movie.close()
os.exit(0)
