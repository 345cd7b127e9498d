/// The version of this SDK, as every `--version` prints it (Semantic Versioning 2.0.0). Nothing of it goes into an image: a firmware is named by
/// its hash and its maker's own version.
public enum SDKVersion {
    public static let text = "0.5.0"
}
