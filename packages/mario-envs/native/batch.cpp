#include "batch.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>

namespace nes {
namespace {

Buttons buttons_at(const Request& request, int row, int frame) {
    // Where the plan's columns are in the controller's byte: up, down, left, right, A, B.
    constexpr Buttons kBits[Request::kButtons] = {0x10, 0x20, 0x40, 0x80, 0x01, 0x02};
    const int32_t* holds = request.holds + row * Request::kButtons;
    const int32_t* released = request.released + row * Request::kButtons;
    Buttons down = 0;
    for (int b = 0; b < Request::kButtons; ++b)
        if (released[b] <= frame && frame < holds[b]) down |= kBits[b];
    return down;
}

bool stopped(const Request& request, const Machine& machine) {
    for (const Stop& stop : request.stops) {
        const int value = machine.ram()[stop.address & (kRamSize - 1)];
        if (stop.low <= value && value <= stop.high) return true;
    }
    return false;
}

}  // namespace

/// A request that outlives the call that made it.
struct Batch::Sent {
    std::vector<int64_t> lanes;
    std::vector<int32_t> frames, holds, released, keep, ran;
    Request request;

    explicit Sent(const Request& from)
        : lanes(from.lanes, from.lanes + from.rows),
          frames(from.frames, from.frames + from.rows),
          holds(from.holds, from.holds + from.rows * Request::kButtons),
          released(from.released, from.released + from.rows * Request::kButtons),
          keep(from.keep, from.keep + (from.keep ? from.rows * from.kept : 0)),
          ran(static_cast<size_t>(from.rows)),
          request(from) {
        request.lanes = lanes.data();
        request.frames = frames.data();
        request.holds = holds.data();
        request.released = released.data();
        request.keep = keep.data();
        request.ran = ran.data();
    }
};

Batch::Batch(std::shared_ptr<const Cartridge> cartridge, int lanes, int threads, bool shortcuts) {
    if (lanes < 1) throw std::invalid_argument("a batch needs at least 1 lane, not " + std::to_string(lanes));
    if (threads < 0) throw std::invalid_argument("the number of threads cannot be negative");
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    threads_ = std::max(1, std::min(threads ? threads : processors, lanes));
    in_flight_.assign(static_cast<size_t>(lanes), 0);
    for (int i = 0; i < lanes; ++i) machines_.push_back(std::make_unique<Machine>(cartridge, shortcuts));
}

Batch::~Batch() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        closing_ = true;
        jobs_.clear();
    }
    work_waits_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

Machine& Batch::machine(int64_t lane) {
    if (lane < 0 || lane >= lanes())
        throw std::invalid_argument("there is no lane " + std::to_string(lane) + ", lanes are 0 to " +
                                    std::to_string(lanes() - 1));
    if (in_flight_[static_cast<size_t>(lane)])
        throw std::invalid_argument("lane " + std::to_string(lane) + " is still running: receive it first");
    return *machines_[static_cast<size_t>(lane)];
}

/// Marks the request's lanes as in flight, or throws and marks none.
void Batch::claim(const Request& request) {
    int row = 0;
    try {
        for (; row < request.rows; ++row) {
            machine(request.lanes[row]);
            in_flight_[static_cast<size_t>(request.lanes[row])] = 1;
        }
    } catch (...) {
        while (row-- > 0) in_flight_[static_cast<size_t>(request.lanes[row])] = 0;
        throw;
    }
}

void Batch::start_threads() {
    while (static_cast<int>(workers_.size()) < threads_) workers_.emplace_back([this] { work(); });
}

void Batch::run(const Request& request) {
    claim(request);
    if (threads_ == 1 || request.rows == 1) {
        for (int row = 0; row < request.rows; ++row) request.ran[row] = run_row(request, row);
    } else {
        start_threads();
        std::unique_lock<std::mutex> lock(mutex_);
        run_rows_left_ = request.rows;
        for (int row = 0; row < request.rows; ++row) jobs_.push_back({&request, row, nullptr});
        for (int i = 1; i < std::min(threads_, request.rows); ++i) work_waits_.notify_one();
        // From the back, while the others take from the front: so a lane mostly stays with its processor,
        // whose cache still holds it.
        while (do_one_job(lock, true)) continue;
        // The others are at their last row: less time than it takes to fall asleep and be woken.
        lock.unlock();
        const auto patience = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
        while (run_rows_left_ > 0 && std::chrono::steady_clock::now() < patience) continue;
        lock.lock();
        job_done_.wait(lock, [this] { return run_rows_left_ == 0; });
    }
    for (int row = 0; row < request.rows; ++row) in_flight_[static_cast<size_t>(request.lanes[row])] = 0;
}

void Batch::send(const Request& request) {
    claim(request);
    sent_lanes_ += request.rows;
    start_threads();
    const auto sent = std::make_shared<Sent>(request);
    {
        std::lock_guard<std::mutex> lock(mutex_);
        for (int row = 0; row < request.rows; ++row) jobs_.push_back({&sent->request, row, sent});
    }
    for (int i = 0; i < std::min(threads_, request.rows); ++i) work_waits_.notify_one();
}

std::vector<std::pair<int64_t, int32_t>> Batch::receive(int least) {
    std::vector<std::pair<int64_t, int32_t>> done;
    {
        std::unique_lock<std::mutex> lock(mutex_);
        const size_t wanted = static_cast<size_t>(std::max(0, std::min(least, sent_lanes_)));
        job_done_.wait(lock, [&] { return finished_.size() >= wanted; });
        done.swap(finished_);
    }
    sent_lanes_ -= static_cast<int>(done.size());
    for (const auto& lane : done) in_flight_[static_cast<size_t>(lane.first)] = 0;
    return done;
}

void Batch::work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        work_waits_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
        if (closing_) return;
        do_one_job(lock, false);
    }
}

/// Takes the first job, or the last, and does it with the mutex released; false if there is none.
bool Batch::do_one_job(std::unique_lock<std::mutex>& lock, bool last) {
    if (jobs_.empty()) return false;
    const Job job = last ? jobs_.back() : jobs_.front();
    last ? jobs_.pop_back() : jobs_.pop_front();
    lock.unlock();
    const int32_t ran = run_row(*job.request, job.row);
    job.request->ran[job.row] = ran;
    lock.lock();
    if (job.sent)
        finished_.emplace_back(job.request->lanes[job.row], ran);
    else
        --run_rows_left_;
    job_done_.notify_one();
    return true;
}

int32_t Batch::run_row(const Request& request, int row) {
    static thread_local Picture picture;
    Machine& machine = *machines_[static_cast<size_t>(request.lanes[row])];
    const int32_t* keep = request.keep + static_cast<ptrdiff_t>(row) * request.kept;
    const size_t size = static_cast<size_t>(request.height) * static_cast<size_t>(request.width);
    uint8_t* out = request.pictures + static_cast<size_t>(row) * static_cast<size_t>(request.kept) * size;

    int kept = 0;
    int32_t frame = 0;
    bool last_is_kept = false;
    while (frame < request.frames[row]) {
        last_is_kept = kept < request.kept && keep[kept] == frame;
        machine.run_frame(buttons_at(request, row, frame),
                          last_is_kept ? Ppu::Draw::kGray : Ppu::Draw::kNothing, &picture);
        for (; kept < request.kept && keep[kept] == frame; ++kept, out += size)
            reduce(picture, request.height, request.width, out);
        ++frame;
        if (stopped(request, machine)) break;
    }
    // Frames that a stop prevented are replaced by the last that ran.
    if (kept < request.kept && !last_is_kept) machine.draw_again(Ppu::Draw::kGray, &picture);
    for (; kept < request.kept; ++kept, out += size) reduce(picture, request.height, request.width, out);
    return frame;
}

}  // namespace nes
