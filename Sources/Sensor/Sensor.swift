@main struct Sensor { static func main() {} }
