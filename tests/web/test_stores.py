"""The store in the browser's database holds what the store in memory holds, after any history, and after reopening."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.harness.server import ServerProcess

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

PLAY = Path(__file__).parents[2] / "web" / "client" / "test" / "play.js"


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, server: ServerProcess) -> AsyncIterator[Page]:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(server.url)
    yield page
    await context.close()


@pytest.mark.parametrize("seed", [1, 300])
async def test_both_stores_show_the_same_after_every_commit(page: Page, seed: int) -> None:
    html = await page.content()
    version = re.search(r"/web/(\w+)/", html)
    assert version is not None
    play = PLAY.read_text().replace("export async function", "async function")
    different = await page.evaluate(
        """async ([version, seed]) => {
            /* play */
            const {IndexedDBStore, MemoryStore} = await import(`/web/${version}/client/src/index.js`);
            const run = async (store, reopen) => {
                await store.open();
                await store.identify('alice', 'laptop');
                return await play(store, seed, reopen);
            };
            const name = `play ${seed}`;
            const again = async (store) => {
                if (store.close) store.close();
                const next = new IndexedDBStore(name);
                await next.open();
                return next;
            };
            const kept = await run(new IndexedDBStore(name), again);
            const held = await run(new MemoryStore(), async (store) => store);
            if (kept.length !== 150) return 'too few';
            for (let round = 0; round < kept.length; round++) {
                for (const part of Object.keys(kept[round])) {
                    const [a, b] = [kept, held].map((seen) => JSON.stringify(seen[round][part], sorted));
                    if (a !== b) return {round, part, indexeddb: a, memory: b};
                }
            }
            return null;
            function sorted(key, value) {
                if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
                return Object.fromEntries(Object.entries(value).sort());
            }
        }""".replace("/* play */", play),
        [version[1], seed],
    )
    assert different is None


async def test_a_deleted_store_is_empty(page: Page) -> None:
    html = await page.content()
    version = re.search(r"/web/(\w+)/", html)
    assert version is not None
    position = await page.evaluate(
        """async (version) => {
            const {IndexedDBStore} = await import(`/web/${version}/client/src/index.js`);
            const store = new IndexedDBStore('gone');
            await store.open();
            await store.identify('alice', 'laptop');
            await store.destroy();
            const again = new IndexedDBStore('gone');
            return await again.open();
        }""",
        version[1],
    )
    assert position == {"cursor": None, "epoch": None, "user": None, "device": None}
