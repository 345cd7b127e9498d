/// Whoever uses the engine names pages.
@_exported public import Pages
