#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "machine.hpp"

namespace nes {

/// Ends a lane's run after the first frame at whose end `low <= ram[address] <= high`.
struct Stop {
    int32_t address, low, high;
};

/// What some lanes are to do, one row per lane. Arrays are row-major and belong to the caller.
struct Request {
    static constexpr int kButtons = 6;  ///< up, down, left, right, A, B: the columns of holds and released

    int rows = 0;
    const int64_t* lanes = nullptr;     ///< [rows], all different
    const int32_t* frames = nullptr;    ///< [rows], at least 1
    const int32_t* holds = nullptr;     ///< [rows, 6]: button b is down in frame f if released <= f < holds
    const int32_t* released = nullptr;  ///< [rows, 6]
    std::vector<Stop> stops;
    int kept = 0;                   ///< pictures per row
    const int32_t* keep = nullptr;  ///< [rows, kept], rising: frames whose gray picture is wanted
    int height = 0, width = 0;
    uint8_t* pictures = nullptr;  ///< [rows, kept, height, width]
    int32_t* ran = nullptr;       ///< [rows], written: frames that each lane ran
};

/// Many consoles with the same cartridge and the threads that run them. What a lane does depends on nothing
/// but its own rows, so results are the same for any number of threads. Calls come from one thread at a time.
class Batch {
  public:
    /// `threads` is how many work at once; 0 is one per processor. They are started when first needed.
    Batch(std::shared_ptr<const Cartridge> cartridge, int lanes, int threads, bool shortcuts);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    int lanes() const { return static_cast<int>(machines_.size()); }
    int threads() const { return threads_; }

    /// The console of a lane that is not in flight; throws std::invalid_argument if it is or does not exist.
    Machine& machine(int64_t lane);

    /// Runs all rows and returns when the last is done. The calling thread works too.
    void run(const Request& request);

    /// Starts all rows and returns at once. `pictures` must stay valid until `receive` has returned the lane;
    /// everything else is copied.
    void send(const Request& request);

    /// Waits until `least` of the lanes in flight are done (all, if fewer are in flight), and returns those
    /// that are, in the order in which they finished, each with the frames that it ran.
    std::vector<std::pair<int64_t, int32_t>> receive(int least);

  private:
    struct Sent;
    struct Job {
        const Request* request;
        int row;
        std::shared_ptr<Sent> sent;  ///< null for `run`
    };

    void claim(const Request& request);
    void work();
    void start_threads();
    bool do_one_job(std::unique_lock<std::mutex>& lock, bool last);
    int32_t run_row(const Request& request, int row);

    int threads_;
    std::vector<std::unique_ptr<Machine>> machines_;
    std::vector<uint8_t> in_flight_;
    int sent_lanes_ = 0;

    std::mutex mutex_;  // guards everything below
    std::condition_variable work_waits_, job_done_;
    std::deque<Job> jobs_;
    std::atomic<int> run_rows_left_{0};  // changed under the mutex, read without it too
    std::vector<std::pair<int64_t, int32_t>> finished_;
    bool closing_ = false;
    std::vector<std::thread> workers_;
};

}  // namespace nes
