"""A real browser for the tests of the page: its fixture, and what is done in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
NEEDS = "needs Debian's chromium and chromium-driver"
MISSING = CHROMIUM is None or DRIVER is None
needed = pytest.mark.skipif(MISSING and not os.environ.get("CI"), reason=NEEDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if MISSING:
        pytest.fail(f"{NEEDS}; where CI is set, that is no reason to skip")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http://*", "https://*"]})
    yield driver
    driver.quit()


def opened(browser: Any, path: Path) -> Any:
    browser.get(path.as_uri())
    until(browser, "return document.documentElement.dataset.ready === 'yes'")
    return browser


def until(page: Any, script: str) -> None:
    """Wait until a script returns true, for 20 s: a page does some things later than it is told to."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 20).until(lambda page: page.execute_script(script))


def click(page: Any, selector: str) -> None:
    """A real click, where the middle of the element is: what covers it would get it instead."""
    from selenium.webdriver.common.by import By

    element = page.find_element(By.CSS_SELECTOR, selector)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()
