// A window of the editor in Chromium, and what a user does in it.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { CHROMIUM, MODULES, PICTURES } from "./places.mjs";
import { PATIENCE_MS, until } from "./until.mjs";

const SIZE = { width: 1000, height: 680 };
const PRESS_AGAIN = { timeout: 5_000 };
const BEGIN_ANEW = { timeout: 20_000 };
const { chromium, errors } = createRequire(path.join(MODULES, "x.js"))("playwright-core");

/** Opens a window at an address of code-server's. */
export async function openWindow(address) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage({ viewport: SIZE });
  page.setDefaultTimeout(PATIENCE_MS);
  const window = new Window(browser, page);
  try {
    await page.goto(address, { waitUntil: "domcontentloaded" });
  } catch (error) {
    await window.close(); // else its process would keep this one from ending
    throw error;
  }
  return window;
}

class Window {
  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
    this.notifications = page.locator(".notification-list-item");
    this.dialog = page.locator(".monaco-dialog-box");
  }

  /** Opens a file of the workspace and selects `words` in it, their first occurrence. */
  async select(name, words) {
    await this.choose("Control+P", name, name);
    await this.page.locator(".tab.active", { hasText: name }).waitFor();
    await this.page
      .locator(".editor-instance .view-line")
      .first()
      .click({ position: { x: 2, y: 2 } });
    await this.page.keyboard.press("Control+Home");
    await this.open("Control+F", ".find-widget.visible");
    await this.page.locator(".find-widget.visible .find-part textarea").fill(words);
    await this.page.keyboard.press("Enter"); // where the words were not selected while they were typed
    await this.page.locator(".find-widget.visible .matchesCount", { hasText: /^\d+ of / }).waitFor();
    await this.closeFind();
    await this.page.locator(".statusbar-item", { hasText: `(${words.length} selected)` }).waitFor();
  }

  /** Presses a key until what it opens is there: a window that is busy may drop one. */
  async open(key, selector) {
    await until(selector, () =>
      inTime(async () => {
        await this.page.keyboard.press(key);
        await this.page.locator(selector).waitFor(PRESS_AGAIN);
      }),
    );
  }

  /** Presses Escape in the find widget until it is gone: what takes the focus meanwhile takes the key as well. */
  async closeFind() {
    await until("the find widget to close", () =>
      inTime(async () => {
        const widget = this.page.locator(".find-widget.visible");
        if (await widget.isVisible()) await widget.locator(".find-part textarea").press("Escape", PRESS_AGAIN);
        await widget.waitFor({ state: "hidden", ...PRESS_AGAIN });
      }),
    );
  }

  /** Runs a command by its title in the palette. */
  async command(title) {
    await this.choose("F1", `>${title}`, title);
  }

  /**
   * Opens the quick input by a key, types into it and clicks the row that says `row`: the list may still show other rows when Enter is
   * pressed. What takes the focus meanwhile closes the quick input: then all of this is begun anew.
   */
  async choose(key, text, row) {
    const input = this.page.locator(".quick-input-widget input");
    const wanted = this.page.locator(".quick-input-list .monaco-list-row .label-name", { hasText: exactly(row) }).first();
    await until(`${row} in the quick input`, async () => {
      await this.open(key, ".quick-input-widget");
      return inTime(async () => {
        await input.fill(text, BEGIN_ANEW);
        await wanted.click(BEGIN_ANEW);
      });
    });
  }

  /** Waits until the status item of the extension says `state`; `timeout` in milliseconds. */
  async status(state, timeout = PATIENCE_MS) {
    await this.page.locator(".statusbar-item", { hasText: `promptopt: ${state}` }).waitFor({ timeout });
  }

  /** Waits for a notification, and clicks one of its buttons, or clears it. One that has hidden meanwhile is still in the list of them. */
  async answer(text, button) {
    const notification = this.notifications.filter({ hasText: text }).first();
    await until(`the notification ${text}`, async () => {
      const done = await inTime(async () => {
        await notification.waitFor(BEGIN_ANEW);
        if (button) await notification.locator(".monaco-button", { hasText: exactly(button) }).click(BEGIN_ANEW);
      });
      if (!done) await this.command("Notifications: Show Notifications");
      return done;
    });
    if (!button) await this.command("Notifications: Clear All Notifications");
  }

  /** Picks an item from the menu of a button. One that was opened too early lacks items that are registered later: it is opened again. */
  async pick(button, item) {
    await until(`${item} in the menu`, () =>
      inTime(async () => {
        await this.page.keyboard.press("Escape");
        await this.page.locator(button).click(PRESS_AGAIN);
        await this.page.locator(".monaco-menu .action-item", { hasText: exactly(item) }).click(PRESS_AGAIN);
      }),
    );
  }

  /** Types into the input that opens, and clicks its button, until it closes: what it shows first when it is ready takes the place of what was typed. */
  async enter(text, button) {
    const widget = this.page.locator(".quick-input-widget");
    const input = widget.locator("input");
    await input.waitFor();
    await until(`${text} to be entered`, () =>
      inTime(async () => {
        if (await widget.isHidden()) return;
        await input.fill(text, PRESS_AGAIN);
        await widget.locator(".monaco-button", { hasText: exactly(button) }).click(PRESS_AGAIN);
        await widget.waitFor({ state: "hidden", ...PRESS_AGAIN });
      }),
    );
  }

  /** What all notifications say that nobody has answered yet, the last one first. */
  async messages() {
    await this.command("Notifications: Show Notifications");
    const centre = this.page.locator(".notifications-center.visible");
    await centre.waitFor();
    return centre.locator(".notification-list-item-message").allTextContents();
  }

  /** Clicks a button of the dialog that says `text`. */
  async confirm(text, button) {
    await this.dialog.filter({ hasText: text }).waitFor();
    await this.dialog.locator(".monaco-button", { hasText: exactly(button) }).click();
  }

  /** Waits until an editor shows `text` on one of its lines. */
  async shows(text) {
    await this.page.locator(".editor-instance .view-line", { hasText: text }).first().waitFor();
  }

  /** Saves the active editor; gives what its file has once that is something else than `before`. */
  async saved(file, before) {
    await this.page.keyboard.press("Control+S");
    return until(`${file} to change`, () => (readFileSync(file, "utf8") === before ? undefined : readFileSync(file, "utf8")));
  }

  /** Puts what the window shows among the pictures. */
  async picture(name) {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.mouse.move(1, 1); // no tooltip
    await this.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }

  /** Does `work`; where it fails, what the window showed is among the pictures. */
  async watched(work) {
    try {
      await work();
    } catch (error) {
      await this.picture(`failed-${Date.now()}`);
      throw error;
    }
  }

  close() {
    return this.browser.close();
  }
}

function exactly(text) {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}

/** True once `work` is done; undefined where it waited too long for something. */
async function inTime(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof errors.TimeoutError) return undefined;
    throw error;
  }
}
