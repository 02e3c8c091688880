import Glibc
import Settings
import Testing

/// README.md shows the settings as they are declared. `make docs` writes them anew (SENSOR_RECORD=1).
struct READMETableTests {
    private static let begin = "<!-- settings -->\n", end = "<!-- /settings -->"

    @Test func theREADMEShowsTheSettingsAsDeclared() throws {
        let readme = try Project.text("README.md")
        let start = try #require(readme.firstRange(of: Self.begin)).upperBound
        let stop = try #require(readme[start...].firstRange(of: Self.end)).lowerBound
        let table = SettingsTable.markdown()
        if getenv("SENSOR_RECORD") != nil {
            try Project.write(readme[..<start] + table + readme[stop...], to: "README.md")
            return
        }
        #expect(readme[start..<stop] == table, "the table in README.md is not that of the declarations: run `make docs`")
    }
}
