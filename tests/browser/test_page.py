"""The report in a real browser: nothing fetched, no error, readable on a desktop and on a phone."""

import threading

import numpy as np
import pytest
from mario_eval import evaluate, write_comparison, write_report
from mario_eval.watch import LivePage, LiveServer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with training, an evaluation with videos, and a second evaluation to compare with."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "training").mkdir()
    rng = np.random.default_rng(0)
    rows = [f"{i / 10 + rng.normal():.3f},{20 + i % 30},{i},{80 + i % 7},{i % 3 == 0}" for i in range(600)]
    text = "\n".join(['#{"t_start": 0, "env_id": "x"}', "r,l,t,frames,clear", *rows])
    (folder / "training" / "0.monitor.csv").write_text(text + "\n")
    evaluate("random", "CartPole-v1", episodes=25, out=folder / "evaluation")
    return folder


@pytest.fixture(scope="module")
def page(run):
    return write_report([run], run / "report.html").as_uri()


def relevant(requests):
    """Return requests that left the page: its own address and inlined data are no traffic."""
    return [url for url in requests if not url.startswith(("data:", "blob:", "about:"))]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_loads_alone_draws_and_fits(browser, page, tmp_path, width, height, dark):
    browser.errors.clear()
    browser.requests.clear()
    browser.resize(width, height, dark)
    browser.open(page)
    browser.wait_for("document.documentElement.dataset.drawn === 'true'")

    assert browser.errors == []
    assert relevant(browser.requests) == [page]
    assert browser.run("document.documentElement.scrollWidth") <= width
    plots = browser.run("document.querySelectorAll('.plot').length")
    assert plots == browser.run("document.querySelectorAll('.plot .main-svg').length / 3") >= 3
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 24, 27)") is dark
    # Every picture of numbers has words beside it.
    assert browser.run("[...document.querySelectorAll('.plot, video, svg[role]')].every(e => e.ariaLabel)")
    shot = tmp_path / "shot.png"
    shot.write_bytes(browser.screenshot())
    assert shot.stat().st_size > 10_000


def test_progress_can_be_counted_in_other_units(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    browser.wait_for("document.documentElement.dataset.drawn === 'true'")
    title = "document.querySelector('.plot').layout.xaxis.title.text"
    last = "Math.max(...document.querySelector('.plot').data[1].x)"
    assert browser.run(title) == "steps"
    in_steps = browser.run(last)
    browser.run("document.querySelector('button[data-unit=seconds]').click()")
    browser.wait_for(f"{title} === 'seconds'")
    assert browser.run(last) == 599
    assert in_steps > 10_000
    assert browser.run("document.querySelector('button[data-unit=seconds]').ariaPressed") == "true"


def test_videos_play(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    browser.wait_for("document.querySelector('video').readyState >= 2")
    assert browser.run("document.querySelectorAll('video').length") == 3
    assert browser.run("document.querySelector('video').videoWidth") > 0
    browser.wait_for("document.querySelector('video').currentTime > 0")


def test_videos_have_a_picture_before_they_play_and_on_paper(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    posters = "[...document.querySelectorAll('video')].map(video => video.poster)"
    assert len(set(browser.run(posters))) == 3
    size = "new Promise(done => { const i = new Image(); i.onload = () => done([i.width, i.height]); i.src = "
    width, height = browser.run(f"{size}document.querySelector('video').poster; }})")
    shape = "[document.querySelector('video').videoWidth, document.querySelector('video').videoHeight]"
    browser.wait_for("document.querySelector('video').readyState >= 1")
    wide, high = browser.run(shape)
    assert abs(width / height - wide / high) < 0.02


def test_on_paper_nothing_is_cut_off_or_dark(browser, page):
    browser.resize(794, 1123, dark=True)
    browser.open(page)
    browser.wait_for("document.documentElement.dataset.drawn === 'true'")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=features)
    try:
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert browser.run("document.documentElement.scrollWidth") <= 794
        # Whoever scrolls on a screen cannot on paper.
        inside = "[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth + 1)"
        assert browser.run(inside)
        assert not browser.run("document.querySelector('.units').checkVisibility()")
        printed = browser.call("Page.printToPDF")["data"]
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert len(printed) > 50_000


def test_numbers_behind_a_chart_can_be_opened(browser, page):
    browser.open(page)
    visible = "document.querySelector('.chart details table').checkVisibility({contentVisibilityAuto: true})"
    assert not browser.run(visible)
    browser.run("document.querySelector('.chart details summary').click()")
    browser.wait_for(visible)


def test_a_comparison_loads_alone_too(browser, run, tmp_path):
    other = evaluate("noop", "CartPole-v1", episodes=25, out=tmp_path / "other").folder
    address = write_comparison([run, other], tmp_path / "compare.html").as_uri()
    browser.errors.clear()
    browser.requests.clear()
    browser.resize(390, 844)
    browser.open(address)
    browser.wait_for("document.documentElement.dataset.drawn === 'true'")
    assert browser.errors == []
    assert relevant(browser.requests) == [address]
    assert browser.run("document.documentElement.scrollWidth") <= 390


def test_the_live_page_renews_itself(browser, run):
    browser.errors.clear()
    browser.resize(1280, 900)
    with LiveServer(("127.0.0.1", 0), LivePage(run, every=0.2)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            browser.open(f"http://127.0.0.1:{server.server_address[1]}/")
            browser.wait_for("document.documentElement.dataset.drawn === 'true'")
            assert "600" in browser.run("document.querySelector('.facts').innerText")
            file = run / "training" / "0.monitor.csv"
            file.write_text(file.read_text() + "1.0,20,700,80,True\n")
            browser.wait_for("document.querySelector('.facts')?.innerText.includes('601')")
            browser.open("about:blank")
        finally:
            server.shutdown()
            thread.join()
    assert browser.errors == []
