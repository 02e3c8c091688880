import Testing

/// docs/events.md has a heading for each event that the sources can log, and for no other.
struct DocumentedEventsTests {
    @Test func eachEventIsDocumented() throws {
        var logged: Set<String> = []
        for path in try Project.sources("Sources") {
            let source = try Project.text(path)
            // Event(LEVEL, "name": the level may be an expression, the name is always written out.
            let names = source.matches(of: /\bEvent\(\s*[^",]*,\s*"([a-z_]+)"/).map { String($0.output.1) }
            let made = source.matches(of: /\bEvent\(/).count
            #expect(names.count == made, "\(path): of \(made) events \(names.count) name themselves where they are made")
            logged.formUnion(names)
        }
        let documented = Set(try Project.text("docs/events.md").matches(of: /(?m)^### `([a-z_]+)`$/).map { String($0.output.1) })
        #expect(logged.subtracting(documented).sorted() == [], "events without a heading in docs/events.md")
        #expect(documented.subtracting(logged).sorted() == [], "headings in docs/events.md of events that nothing logs")
        #expect(!logged.isEmpty)
    }
}
