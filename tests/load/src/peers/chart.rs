//! Charts as SVG, on a light ground of their own so that they can be read on any page.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figures::{grouped, shown};

const WIDTH: u32 = 640;
const ROW: i32 = 30;
/// Above the bars, and before them.
const TITLE: i32 = 40;
const NAMES: i32 = 170;
/// Behind the longest bar, for its value.
const VALUES: i32 = 90;
const GROUND: RGBColor = RGBColor(0xfb, 0xfb, 0xfa);
const INK: RGBColor = RGBColor(0x22, 0x26, 0x2b);
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xd6);
const THEIRS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

/// A bar.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) is_ours: bool,
}

/// Draws bars under one another, each with its value.
pub(crate) fn bars(path: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<()> {
    let height = TITLE + ROW * i32::try_from(bars.len())? + 10;
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let room = f64::from(WIDTH.cast_signed() - NAMES - VALUES);
    draw(path, height.cast_unsigned(), |area| {
        area.draw(&Text::new(format!("{title} ({unit})"), (12, 12), text(15, HPos::Left)))?;
        for (row, bar) in (0..).zip(bars) {
            let top = TITLE + ROW * row;
            #[expect(clippy::cast_possible_truncation, reason = "a width of some hundred pixels")]
            let end = NAMES + (room * bar.value / longest).round().max(1.0) as i32;
            let colour = if bar.is_ours { OURS } else { THEIRS };
            let (middle, value) = (top + ROW / 2, shown(bar.value));
            area.draw(&Rectangle::new([(NAMES, top + 4), (end, top + ROW - 4)], colour.filled()))?;
            area.draw(&Text::new(bar.name, (NAMES - 8, middle), centred(HPos::Right)))?;
            area.draw(&Text::new(value, (end + 6, middle), centred(HPos::Left)))?;
        }
        Ok(())
    })
}

/// A line of points.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Colours that differ in brightness too.
const LINES: [RGBColor; 4] =
    [OURS, RGBColor(0xd9, 0x6b, 0x1e), RGBColor(0x4b, 0x56, 0x62), RGBColor(0x6d, 0xb3, 0x8e)];

/// Draws lines from zero up over `x`, in tens where `is_log`.
pub(crate) fn lines(
    path: &Path,
    title: &str,
    unit: &str,
    x: &str,
    is_log: bool,
    lines: &[&Line],
) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (least, most) = points().fold((f64::MAX, 1.0), |(least, most), (x, _)| (x.min(least), x.max(most)));
    let top = points().fold(f64::MIN_POSITIVE, |top, (_, y)| y.max(top)) * 1.1;
    // Logarithms have no zero.
    let place = |at: f64| if is_log { at.max(1.0).log10() } else { at };
    let label = |at: &f64| grouped(if is_log { 10_f64.powf(*at).round() } else { *at });
    draw(path, 300, |area| {
        let mut builder = ChartBuilder::on(area);
        builder.margin(12).x_label_area_size(38).y_label_area_size(64);
        builder.caption(format!("{title} ({unit})"), text(15, HPos::Left));
        let mut chart = builder.build_cartesian_2d(place(least)..place(most), 0.0..top)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_label_formatter(&label).y_label_formatter(&|y| shown(*y)).x_desc(x).light_line_style(GROUND);
        mesh.label_style(text(12, HPos::Left)).x_labels(6).y_labels(5).draw()?;
        for (line, colour) in lines.iter().zip(LINES.iter().cycle()) {
            let style = colour.stroke_width(2);
            let points = line.points.iter().map(|(x, y)| (place(*x), *y));
            let drawn = chart.draw_series(LineSeries::new(points, style))?;
            drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        // Where lines rise from the left there is room above them.
        let is_rising = lines.iter().flat_map(|line| line.points.first()).all(|(_, y)| *y < top / 3.0);
        let place = if is_rising { SeriesLabelPosition::UpperLeft } else { SeriesLabelPosition::LowerRight };
        let mut legend = chart.configure_series_labels();
        legend.position(place).background_style(GROUND).label_font(text(12, HPos::Left));
        legend.draw()
    })
}

fn draw(
    path: &Path,
    height: u32,
    content: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), DrawingAreaErrorKind<std::io::Error>>,
) -> Result<()> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = area.fill(&GROUND).and_then(|()| content(&area)).and_then(|()| area.present());
        drawn.map_err(|error| anyhow!("{}: {error}", path.display()))?;
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, svg)?)
}

fn text(size: i32, side: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).color(&INK).pos(Pos::new(side, VPos::Top))
}

fn centred(side: HPos) -> TextStyle<'static> {
    text(13, side).pos(Pos::new(side, VPos::Center))
}
