"""How static files are named and found in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Hashed file names, also inside `import` statements of our JavaScript modules."""

    support_js_module_import_aggregation = True
