// Shows times in the reader's time zone, with UTC in the title. Without it they are in UTC, as the server sends them.
"use strict";

const localTimes = (() => {
  const two = (number) => String(number).padStart(2, "0");
  const FORMATS = {
    clock: (time) => `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${hour(time)}:${two(time.getSeconds())}`,
    hour,
  };

  function hour(time) {
    return `${two(time.getHours())}:${two(time.getMinutes())}`;
  }

  function zone() {
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
    return name === "UTC" ? "All times are UTC." : `Times are in your time zone, ${name || "as the system has it"}; point at one for UTC.`;
  }

  // Changes a page that the server sent, shown or not.
  return (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const time = new Date(element.dateTime);
      // Nobody's calendar has years beyond 9999; what it cannot read stays as it is.
      if (Number.isNaN(time.valueOf())) continue;
      const utc = `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
      if (element.dataset.format) {
        element.textContent = FORMATS[element.dataset.format](time);
        element.title = utc;
      } else {
        element.title = `${FORMATS.clock(time)}, ${utc}`;
      }
    }
    // In a drawing there is no <time>.
    for (const element of root.querySelectorAll("[data-hour]")) {
      const text = FORMATS.hour(new Date(element.dataset.hour));
      if (element.hasAttribute("aria-label")) {
        element.setAttribute("aria-label", element.getAttribute("aria-label").replace(/^\d\d:\d\d/, text));
      } else {
        element.textContent = text;
      }
    }
    for (const element of root.querySelectorAll("[data-clock]")) {
      const utc = element.textContent;
      element.textContent = `${FORMATS.clock(new Date(element.dataset.clock)).slice(0, 16)} (${utc})`;
    }
    const note = root.querySelector("#zone");
    if (note) note.textContent = zone();
  };
})();

localTimes(document);
