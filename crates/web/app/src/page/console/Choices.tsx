interface ChoicesProps {
  legend: string;
  name: string;
  type: "radio" | "checkbox";
  all: Record<string, string>;
  chosen: readonly string[];
  onChoose: (chosen: string[]) => void;
}

/** Radio buttons or boxes in a row, under one legend. */
export function Choices({ legend, name, type, all, chosen, onChoose }: ChoicesProps) {
  const turn = (value: string, on: boolean) =>
    onChoose(type === "radio" ? [value] : on ? [...chosen, value] : chosen.filter((one) => one !== value));
  return (
    <fieldset>
      <legend className="mb-1 text-sm text-soft">{legend}</legend>
      <div className="flex flex-wrap gap-x-4">
        {Object.entries(all).map(([value, label]) => (
          <label key={value} className="flex min-h-11 cursor-pointer items-center gap-2 text-sm sm:min-h-9">
            <input
              type={type}
              name={name}
              value={value}
              checked={chosen.includes(value)}
              onChange={(event) => turn(value, event.target.checked)}
              className="size-4.5 accent-accent"
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
