/// Whom an image is for. It is a property of the image, covered by the firmware hash.
public enum ImagePurpose: String, Sendable, Codable, CaseIterable {
    /// For the maker's own desk: marked wherever a person looks, and refused by `vsmp image verify --release`.
    case development
    case release
}
