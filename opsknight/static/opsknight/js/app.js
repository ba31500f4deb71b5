// What every page of the shell runs. Pages work without it; this makes them quick and live.
import "./copy.js";
import "./dialog.js";
import "./live.js";
import "./requests.js";
import "./shortcuts.js";
import "./theme.js";
import "./time.js";
import "./toast.js";
