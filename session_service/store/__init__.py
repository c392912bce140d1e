"""MongoDB: one module a collection, its indexes and its queries; `_id` stops here."""
