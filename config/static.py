"""How static files are named and found in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

APPS = ("opsknight", "realtime", "incidents", "notifications", "escalations")
_, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Hashed file names, also inside the `import` statements of our own JavaScript modules.

    Others' modules come bundled, are large, and mention imports in comments.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        *[(f"{app}/*.js", IMPORTS) for app in APPS],
    )
